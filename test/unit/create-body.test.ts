import { describe, expect, test } from 'vitest'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import { attemptMarker, MARKER_KEY } from '../../src/attempt/marker.ts'
import { BASE_SPEC as base, pairs } from '../support/specs.ts'

const MARKER = attemptMarker({
  provisionRequestId: '0198170e-4ca7-7ee4-89a7-fa631843920b',
  attempt: 1,
  installation: 'ab12cd34',
  requestId: 'order-7f3c',
})
function bodyOf(spec: Record<string, unknown>) {
  return JSON.parse(buildBatchCreateBody(spec, 'Passw0rd', MARKER))
}

describe('buildBatchCreateBody', () => {
  test('sends the spec, the password, the marker and both counts', () => {
    expect(bodyOf({ ...base, metadata: { a: 'b' }, description: 'd' })).toEqual({
      ...base,
      password: 'Passw0rd',
      metadata: { a: 'b', [MARKER_KEY]: MARKER.whole },
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
      `mine ${MARKER_KEY}:${MARKER.whole}`,
    )
    expect(bodyOf({ ...base, metadata: pairs(10) }).description).toBe(`${MARKER_KEY}:${MARKER.whole}`)
  })

  test('puts the first part of the marker where the whole does not fit', () => {
    const description = 'x'.repeat(190)
    expect(bodyOf({ ...base, metadata: pairs(10), description }).description).toBe(
      `${description} ${MARKER_KEY}:${MARKER.short}`,
    )
  })

  test('adds nothing where there is no place', () => {
    const spec = { ...base, metadata: pairs(10), description: 'x'.repeat(255) }
    expect(bodyOf(spec)).toEqual({ ...spec, password: 'Passw0rd' })
  })
})
