import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowedSpreadMs, createArrivalGuard } from '../../src/budget/arrival-guard.ts'
import { bucketLimit, refill, take } from '../../src/budget/token-bucket.ts'

/** A guard on a clock that the test moves. */
function createGuard() {
  let now = 0
  const guard = createArrivalGuard(() => now)
  return {
    admits: (ageMs: number, spreadMs = 100) => guard.admits({ ageMs, spreadMs }),
    pass: (ms: number) => {
      now += ms
    },
  }
}

describe('the arrival guard', () => {
  test('lets calls through that are as old as the others', () => {
    const { admits } = createGuard()
    for (const age of [5, 8, 6, 40, 7]) expect(admits(age)).toBe(true)
  })

  test('refuses a call that was held up for most of the spread', () => {
    const { admits } = createGuard()
    admits(5)
    expect(admits(5 + 70)).toBe(true)
    expect(admits(5 + 71)).toBe(false)
  })

  test('holds the first calls of a process against a quick one', () => {
    const { admits, pass } = createGuard()
    expect(admits(85)).toBe(true)
    expect(admits(86)).toBe(false)
    pass(999)
    expect(admits(400)).toBe(false)
    pass(1)
    expect(admits(150)).toBe(true)
  })

  test('takes a way that is slow for all for no delay', () => {
    const { admits, pass } = createGuard()
    admits(400)
    pass(1000)
    for (const age of [400, 420, 390, 410]) expect(admits(age)).toBe(true)
  })

  test('learns from the calls that it refuses that all have become slow', () => {
    const { admits, pass } = createGuard()
    admits(5)
    expect(admits(300)).toBe(false)
    pass(10_000)
    expect(admits(300)).toBe(false)
    pass(10_000)
    expect(admits(310)).toBe(true)
  })

  test('holds a call after a long silence, or a stop, against those before it', () => {
    const { admits, pass } = createGuard()
    admits(1)
    pass(60_000)
    expect(admits(500)).toBe(false)
    pass(10_000)
    expect(admits(500)).toBe(true)
  })

  test('leaves room for the clock where there is no burst', () => {
    const { admits } = createGuard()
    admits(0, 0)
    expect(admits(25, 0)).toBe(true)
    expect(admits(26, 0)).toBe(false)
  })
})

describe('the spread that is allowed', () => {
  test('keeps the arrivals of a claim and all later ones within the limit', () => {
    const limits = fc.record({
      perSecond: fc.double({ min: 0.001, max: 100, noNaN: true }),
      burst: fc.integer({ min: 1, max: 100 }),
    })
    const fill = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(limits, fill, fc.integer({ min: 0, max: 5000 }), (limit, level, laterMs) => {
        const bucket = bucketLimit(limit)
        const tokens = level * bucket.capacity
        const spreadMs = allowedSpreadMs(tokens, limit)
        const first = take({ tokens, refilledAt: 0 }, 1000)
        const second = take(refill(first.level, bucket, (spreadMs + laterMs) / 1000), 1000)
        // The first calls arrive as late as they may, the second at once.
        const calls = first.taken + second.taken
        expect(calls).toBeLessThanOrEqual(limit.burst + limit.perSecond * (laterMs / 1000) + 1e-6)
      }),
    )
  })

  test('is nothing for a bucket as full as the burst', () => {
    expect(allowedSpreadMs(10, { perSecond: 5, burst: 10 })).toBe(0)
    expect(allowedSpreadMs(12, { perSecond: 5, burst: 10 })).toBe(0)
    expect(allowedSpreadMs(5, { perSecond: 5, burst: 10 })).toBe(1000)
  })

  test('is what the refill lags behind where there is no burst', () => {
    expect(allowedSpreadMs(1, { perSecond: 0.001, burst: 1 })).toBeCloseTo(100)
    expect(allowedSpreadMs(1, { perSecond: 1, burst: 1 })).toBeCloseTo(10)
  })
})
