import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import { attemptMarkers, MARKER_KEY, markerPlace } from '../../src/attempt/marker.ts'

const ATTEMPT = '0198170e-4ca7-7ee4-89a7-fa631843920b'
const base = {
  name: 'web',
  image_id: 'i',
  vpc_id: 'v',
  network_interfaces: [{ subnet_id: 's' }],
  min_count: 1,
  max_count: 3,
}

function pairs(count: number) {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'v']))
}

function bodyOf(spec: Record<string, unknown>, place = markerPlace(spec)) {
  return JSON.parse(buildBatchCreateBody(spec, 'Passw0rd', { key: MARKER_KEY, value: ATTEMPT, place }))
}

describe('markerPlace', () => {
  const full = pairs(10)
  test.each([
    ['no metadata', {}, 'metadata'],
    ['9 pairs', { metadata: pairs(9) }, 'metadata'],
    ['10 pairs', { metadata: full }, 'description'],
    ['the key taken', { metadata: { [MARKER_KEY]: 'mine' } }, 'description'],
    [
      '10 pairs and a description that leaves just enough',
      { metadata: full, description: 'x'.repeat(198) },
      'description',
    ],
    [
      'the same in characters beyond 16 bits',
      { metadata: full, description: '\u{1f600}'.repeat(198) },
      'description',
    ],
    ['one character more', { metadata: full, description: 'x'.repeat(199) }, 'none'],
    ['9 pairs and a full description', { metadata: pairs(9), description: 'x'.repeat(255) }, 'metadata'],
  ])('%s', (_, changes, place) => {
    expect(markerPlace({ ...base, ...changes })).toBe(place)
  })
})

describe('buildBatchCreateBody', () => {
  test('sends the spec, the password, the marker and both counts', () => {
    expect(bodyOf({ ...base, metadata: { a: 'b' }, description: 'd' })).toEqual({
      ...base,
      password: 'Passw0rd',
      metadata: { a: 'b', [MARKER_KEY]: ATTEMPT },
      description: 'd',
    })
  })

  test('sends no counts beside a placement', () => {
    const { min_count, max_count, ...rest } = base
    const placement = { server_id_set: ['b', 'a', 'a'] }
    const body = bodyOf({ ...rest, placement })
    expect(body.placement).toEqual(placement)
    expect(Object.keys(body)).not.toEqual(expect.arrayContaining(['min_count']))
    expect(Object.keys(bodyOf({ ...base, placement }))).not.toEqual(expect.arrayContaining(['max_count']))
  })

  test('puts the marker behind a description, or in its place', () => {
    expect(bodyOf({ ...base, metadata: pairs(10), description: 'mine' }).description).toBe(
      `mine ${MARKER_KEY}:${ATTEMPT}`,
    )
    expect(bodyOf({ ...base, metadata: pairs(10) }).description).toBe(`${MARKER_KEY}:${ATTEMPT}`)
  })

  test('adds nothing where there is no place', () => {
    const spec = { ...base, metadata: pairs(10), description: 'x'.repeat(255) }
    expect(bodyOf(spec)).toEqual({ ...spec, password: 'Passw0rd' })
  })

  test('stays within the limits and is found again, whatever the request', () => {
    const metadata = fc.dictionary(
      fc.constantFrom(MARKER_KEY, '__proto__', ...Object.keys(pairs(12))),
      fc.string({ maxLength: 5 }),
      { maxKeys: 10 },
    )
    const description = fc
      .string({ unit: 'grapheme', maxLength: 255 })
      .filter((text) => [...text].length <= 255)
    fc.assert(
      fc.property(metadata, description, (given, text) => {
        const spec = { ...base, metadata: given, description: text }
        const place = markerPlace(spec)
        const body = bodyOf(spec, place)
        expect(Object.keys(body.metadata).length).toBeLessThanOrEqual(10)
        expect([...body.description].length).toBeLessThanOrEqual(255)
        expect(body.metadata).toMatchObject(given)
        expect(body.description.startsWith(text)).toBe(true)
        expect(attemptMarkers(body).includes(ATTEMPT)).toBe(place !== 'none')
      }),
    )
  })
})

test('attemptMarkers finds none in instances of others', () => {
  expect(attemptMarkers({ metadata: {}, description: null })).toEqual([])
  expect(attemptMarkers({ metadata: { a: ATTEMPT }, description: `x${MARKER_KEY}:${ATTEMPT}` })).toEqual([])
})
