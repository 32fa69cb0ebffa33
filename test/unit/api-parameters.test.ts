import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import { listQuery } from '../../src/api/list-query.ts'
import { idToMarker, markerToId, requestParams, statusQuery } from '../../src/api/parameters.ts'
import { REQUEST_STATES } from '../../src/request/provision-request.ts'

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

const readable = (query: object) => listQuery.safeParse(query).success

describe('a filter', () => {
  test('by state holds any of them, each once', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...REQUEST_STATES), { minLength: 1 }), (states) => {
        expect(listQuery.parse({ state: states.join(',') }).state).toEqual([...new Set(states)])
      }),
    )
    for (const state of ['', ',', 'queued,', 'Queued', 'queued, failed', 'dancing'])
      expect(readable({ state }), state).toBe(false)
  })

  test('by id holds up to a hundred, and the page as many', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9._:~-]{1,128}$/)
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 120 }), (ids) => {
        const parsed = listQuery.safeParse({ request_id: ids.join(',') })
        expect(parsed.success).toBe(ids.length <= 100)
        if (parsed.success) expect([parsed.data.request_id, parsed.data.limit]).toEqual([ids, ids.length])
      }),
    )
    expect(listQuery.parse({ request_id: 'a,b', limit: '1' }).limit).toBe(1)
    for (const request_id of ['', 'a,,b', 'a b', 'ä', 'x'.repeat(129)])
      expect(readable({ request_id }), request_id).toBe(false)
  })

  test('by time is an RFC 3339 time with its offset', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') }), (date) => {
        const text = date.toISOString()
        expect(listQuery.parse({ created_after: text, created_before: text })).toMatchObject({
          created_after: date,
          created_before: date,
        })
      }),
    )
    for (const created_after of [
      '',
      'yesterday',
      '2026-11-23',
      '2026-11-23T12:00:00',
      '2026-11-23T12:00:00 02:00',
    ])
      expect(readable({ created_after }), created_after).toBe(false)
  })

  test('by text holds anything printable, and never what the database cannot take', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), (text) => {
        const isPlain = !/\p{Cc}/u.test(text)
        expect([readable({ error_code: text }), readable({ correlation_id: text })]).toEqual([
          isPlain,
          isPlain,
        ])
      }),
    )
    expect([readable({ error_code: '' }), readable({ correlation_id: 'x'.repeat(256) })]).toEqual([
      false,
      false,
    ])
  })
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
