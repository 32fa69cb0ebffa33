import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketLimit } from '../../src/budget/token-bucket.ts'

const limits = fc.record({
  perSecond: fc.double({ min: 0.05, max: 500, noNaN: true }),
  burst: fc.double({ min: 1, max: 200, noNaN: true }),
})

describe('bucketLimit', () => {
  it('never allows more than the configured limit', () => {
    fc.assert(
      fc.property(limits, (limit) => {
        const bucket = bucketLimit(limit)
        expect(bucket.refillPerSecond).toBeLessThanOrEqual(limit.perSecond)
        expect(bucket.capacity).toBeLessThanOrEqual(limit.burst)
        expect(bucket.capacity).toBeGreaterThanOrEqual(1)
      }),
    )
  })

  it('gives up at most one percent of the rate', () => {
    fc.assert(
      fc.property(limits, (limit) => {
        expect(bucketLimit(limit).refillPerSecond).toBeGreaterThanOrEqual(limit.perSecond / 1.0101)
      }),
    )
  })

  it('leaves the rate whole where the burst has room', () => {
    expect(bucketLimit({ perSecond: 20, burst: 5 })).toEqual({ refillPerSecond: 20, capacity: 3 })
    expect(bucketLimit({ perSecond: 5, burst: 10 })).toEqual({ refillPerSecond: 5, capacity: 9.5 })
  })
})
