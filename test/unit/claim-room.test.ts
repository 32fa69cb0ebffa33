import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createClaimRoom } from '../../src/dispatch/claim-room.ts'

const NOTHING = { unanswered: 0, unrecorded: 0 }

function roomAfter(calls: readonly number[], concurrency = 32) {
  const room = createClaimRoom({ concurrency })
  for (const ms of calls) room.took(ms)
  return room
}

describe('the room for claims', () => {
  test('is one request per call until it is known how long calls take', () => {
    expect(roomAfter([]).free(NOTHING)).toBe(32)
    expect(roomAfter([]).free({ unanswered: 30, unrecorded: 0 })).toBe(2)
    expect(roomAfter([]).free({ unanswered: 40, unrecorded: 0 })).toBe(0)
  })

  test('is twice as much where calls are quick, and shrinks when they become slow', () => {
    expect(roomAfter([3]).free(NOTHING)).toBe(64)
    expect(roomAfter([300]).free(NOTHING)).toBe(32)
    expect(roomAfter([3, ...Array<number>(5).fill(300)]).free(NOTHING)).toBe(32)
    expect(roomAfter([3, 20, 3]).free(NOTHING)).toBe(64)
  })

  test('ends where outcomes wait for the database', () => {
    expect(roomAfter([3]).free({ unanswered: 0, unrecorded: 250 })).toBe(6)
    expect(roomAfter([3]).free({ unanswered: 0, unrecorded: 1000 })).toBe(0)
  })

  test('never lets more wait for a call than may be in flight', () => {
    const ms = fc.double({ min: 0, max: 60_000, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(ms),
        fc.integer({ min: 1, max: 500 }),
        fc.nat(2000),
        (calls, concurrency, unanswered) => {
          const free = roomAfter(calls, concurrency).free({ unanswered, unrecorded: 0 })
          expect(free).toBeGreaterThanOrEqual(0)
          if (free > 0) expect(free + unanswered).toBeLessThanOrEqual(2 * concurrency)
        },
      ),
    )
  })
})
