import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import { idToMarker, listQuery, markerToId, requestParams, statusQuery } from '../../src/api/parameters.ts'

describe('wait', () => {
  test.each([
    ['30s', 30_000],
    ['60s', 60_000],
    ['500ms', 500],
    ['0s', 0],
    ['60000ms', 60_000],
  ])('%s is %i ms', (wait, milliseconds) => {
    expect(statusQuery.parse({ wait })).toEqual({ wait: milliseconds })
  })

  test.each(['61s', '60001ms', '30', 's', '-1s', '1.5s', '1m', ' 1s', '30S', '', '1e1s', '9999999s'])(
    '%j is refused',
    (wait) => {
      expect(statusQuery.safeParse({ wait }).success).toBe(false)
    },
  )
})

describe('limit', () => {
  test('is 50 when absent, and 1 to 200', () => {
    expect(listQuery.parse({}).limit).toBe(50)
    expect(listQuery.parse({ limit: '1' }).limit).toBe(1)
    expect(listQuery.parse({ limit: '200' }).limit).toBe(200)
  })

  test.each(['0', '201', '-1', '1.5', 'ten', '', ' 5', '0x10', '1e2', '99999999999'])(
    '%j is refused',
    (limit) => {
      expect(listQuery.safeParse({ limit }).success).toBe(false)
    },
  )
})

describe('a marker', () => {
  test('leads back to the id it was made of', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(markerToId(idToMarker(id))).toBe(id)
        expect(idToMarker(id)).toMatch(/^[A-Za-z0-9_-]{22}$/)
      }),
    )
  })

  test('that is none is refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const id = markerToId(text)
        if (id !== null) expect(idToMarker(id)).toBe(text)
      }),
    )
    for (const text of [
      '',
      'x',
      uuidv7(),
      `${idToMarker(uuidv7())}=`,
      `${idToMarker(uuidv7()).slice(0, 21)}_`,
    ]) {
      expect(listQuery.safeParse({ marker: text }).success, text).toBe(false)
    }
  })
})

test('an unknown query key is refused, also beside good ones', () => {
  expect(listQuery.safeParse({ limit: '5', sate: 'failed' }).success).toBe(false)
  expect(statusQuery.safeParse({ waits: '5s' }).success).toBe(false)
})

test('a key given twice is refused', () => {
  expect(listQuery.safeParse({ limit: ['5', '6'] }).success).toBe(false)
  expect(statusQuery.safeParse({ wait: ['5s', '6s'] }).success).toBe(false)
})

test('ids have the patterns of the request message', () => {
  const accepts = (project_id: string, request_id: string) =>
    requestParams.safeParse({ project_id, request_id }).success
  expect(accepts('a-Z_9', 'order:1.2~3')).toBe(true)
  expect(accepts('p'.repeat(64), 'r'.repeat(128))).toBe(true)
  expect(accepts('p'.repeat(65), 'r')).toBe(false)
  expect(accepts('p', 'r'.repeat(129))).toBe(false)
  expect(accepts('p', 'a\u0000b')).toBe(false)
  expect(accepts('p', 'a b')).toBe(false)
})
