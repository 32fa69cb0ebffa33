import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import {
  attemptKey,
  attemptMarker,
  carriedMarkers,
  MARKER_KEY,
  markDescription,
  markersBeside,
  parseMarker,
  placeMarker,
} from '../../src/attempt/marker.ts'
import { BASE_SPEC as base, pairs } from '../support/specs.ts'

const NAME = {
  provisionRequestId: '0198170e-4ca7-7ee4-89a7-fa631843920b',
  attempt: 4,
  installation: 'ab12cd34',
  requestId: 'order-7f3c',
}
const SHORT = '0198170e-4ca7-7ee4-89a7-fa631843920b.4'
const WHOLE = `${SHORT}/ab12cd34/order-7f3c`
const MARKER = attemptMarker(NAME)

test('a marker names request, attempt, installation and the id that the sender gave', () => {
  expect(MARKER).toEqual({ whole: WHOLE, short: SHORT })
  expect(attemptKey(NAME)).toBe(SHORT)
})

describe('the place of a marker', () => {
  const full = pairs(10)
  const room = 255 - `${MARKER_KEY}: `.length
  const text = (length: number) => 'x'.repeat(length)
  test.each<[string, Record<string, unknown>, string, string | null]>([
    ['no metadata', {}, 'metadata', WHOLE],
    ['9 pairs', { metadata: pairs(9) }, 'metadata', WHOLE],
    ['9 pairs and a full description', { metadata: pairs(9), description: text(255) }, 'metadata', WHOLE],
    ['10 pairs', { metadata: full }, 'description', WHOLE],
    ['the key taken', { metadata: { [MARKER_KEY]: 'mine' } }, 'description', WHOLE],
    [
      '10 pairs and a description that leaves just enough',
      { metadata: full, description: text(room - WHOLE.length) },
      'description',
      WHOLE,
    ],
    [
      'one character more',
      { metadata: full, description: text(room - WHOLE.length + 1) },
      'description',
      SHORT,
    ],
    [
      'just enough for the first part, in characters beyond 16 bits',
      { metadata: full, description: '\u{1f600}'.repeat(room - SHORT.length) },
      'description',
      SHORT,
    ],
    [
      'no room for the first part',
      { metadata: full, description: text(room - SHORT.length + 1) },
      'none',
      null,
    ],
  ])('%s', (_, changes, place, written) => {
    expect(placeMarker({ ...base, ...changes }, MARKER)).toEqual({ place, text: written })
  })
})

describe('reading a marker', () => {
  test.each([
    WHOLE.toUpperCase(),
    `${WHOLE}/`,
    `${WHOLE} `,
    `${WHOLE}\n`,
    `${SHORT}/ab12cd34`,
    `${SHORT}/ab12cd3/r`,
    `${SHORT}/ab12cd34/`,
    `${SHORT}/ab12cd34/a b`,
    `${SHORT}/ab12cd34/${'r'.repeat(129)}`,
    SHORT.replace('.4', ''),
    SHORT.replace('.4', '.0'),
    SHORT.replace('.4', '.04'),
    SHORT.replace('.4', '.1234567890'),
    `x${SHORT}`,
    '',
  ])('refuses %j', (text) => {
    expect(parseMarker(text)).toBeNull()
  })

  test('takes the first part alone in a description only', () => {
    const short = {
      provisionRequestId: NAME.provisionRequestId,
      attempt: 4,
      installation: null,
      requestId: null,
    }
    expect(parseMarker(SHORT)).toEqual(short)
    expect(carriedMarkers({ metadata: { [MARKER_KEY]: SHORT }, description: null })).toEqual([])
    expect(carriedMarkers({ metadata: {}, description: `words ${MARKER_KEY}:${SHORT}` })).toEqual([
      { place: 'description', text: SHORT, ...short },
    ])
  })

  test.each([
    [{ metadata: {}, description: null }],
    [{ metadata: { other: WHOLE }, description: `x${MARKER_KEY}:${WHOLE}` }],
    [{ metadata: { [MARKER_KEY]: 'mine' }, description: `${MARKER_KEY}:${WHOLE} words` }],
  ])('finds none in %j', (instance) => {
    expect(carriedMarkers(instance)).toEqual([])
  })
})

const aName = fc.record({
  provisionRequestId: fc.uuid(),
  attempt: fc.integer({ min: 1, max: 999_999_999 }),
  installation: fc.stringMatching(/^[a-z0-9]{8}$/),
  requestId: fc.stringMatching(/^[A-Za-z0-9._:~-]{1,128}$/),
})
/** What a sender may write, also by copying it from an instance of another order. */
const aText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 255 }),
  aName.map((name) => attemptMarker(name).whole),
  aName.map((name) => attemptMarker(name).short),
)
const aSpec = fc.record({
  metadata: fc.dictionary(fc.constantFrom(MARKER_KEY, '__proto__', ...Object.keys(pairs(12))), aText, {
    maxKeys: 10,
  }),
  description: fc
    .oneof(
      aText,
      fc.tuple(aText, aText).map(([words, marker]) => markDescription(words, marker)),
    )
    .filter((text) => [...text].length <= 255),
})

test('whatever the request: its instances say which attempt made them, within the limits of CloudDC', () => {
  fc.assert(
    fc.property(aSpec, aName, (given, name) => {
      const spec = { ...base, ...given }
      const marker = attemptMarker(name)
      const { place, text } = placeMarker(spec, marker)
      const body = JSON.parse(buildBatchCreateBody(spec, 'Passw0rd', marker))
      expect(Object.keys(body.metadata).length).toBeLessThanOrEqual(10)
      expect([...body.description].length).toBeLessThanOrEqual(255)
      expect(body.metadata).toMatchObject(given.metadata)
      expect(body.description.startsWith(given.description)).toBe(true)

      const short = text === marker.short ? { installation: null, requestId: null } : {}
      expect(markersBeside(spec, body)).toEqual(place === 'none' ? [] : [{ ...name, ...short, place, text }])
    }),
    { numRuns: 300 },
  )
})
