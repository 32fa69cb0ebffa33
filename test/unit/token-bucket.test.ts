import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketLimit, creditBack, refill, secondsToToken, take } from '../../src/budget/token-bucket.ts'

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

describe('a bucket', () => {
  it('lets through at most the burst and the refill in every window, for calls that arrive late by up to the spread', () => {
    const spare = fc.record({
      perSecond: fc.integer({ min: 1, max: 50 }),
      burst: fc.integer({ min: 3, max: 60 }),
    })
    const steps = fc.array(
      fc.record({
        waitMs: fc.integer({ min: 0, max: 400 }),
        wanted: fc.integer({ min: 1, max: 10 }),
        late: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      { minLength: 1, maxLength: 60 },
    )
    fc.assert(
      fc.property(spare, steps, (limit, sequence) => {
        const bucket = bucketLimit(limit)
        const spreadSeconds = (limit.burst - bucket.capacity) / limit.perSecond
        let level = { tokens: bucket.capacity, refilledAt: 0 }
        let at = 0
        const arrivals: number[] = []
        for (const { waitMs, wanted, late } of sequence) {
          at += waitMs / 1000
          const result = take(refill(level, bucket, at), wanted)
          level = result.level
          for (let n = 0; n < result.taken; n += 1) arrivals.push(at + late * spreadSeconds)
        }
        arrivals.sort((a, b) => a - b)
        for (let first = 0; first < arrivals.length; first += 1) {
          for (let last = first; last < arrivals.length; last += 1) {
            const seconds = (arrivals[last] as number) - (arrivals[first] as number)
            expect(last - first + 1).toBeLessThanOrEqual(limit.burst + limit.perSecond * seconds + 1e-6)
          }
        }
      }),
    )
  })

  it('has a token when it says so', () => {
    fc.assert(
      fc.property(limits, fc.double({ min: 0, max: 1, noNaN: true }), (limit, tokens) => {
        const bucket = bucketLimit(limit)
        const level = { tokens, refilledAt: 0 }
        const at = secondsToToken(level, bucket)
        expect(refill(level, bucket, at + 1e-9).tokens).toBeGreaterThanOrEqual(1 - 1e-6)
      }),
    )
  })

  it('loses nothing and gains nothing when the clock stands behind', () => {
    const bucket = bucketLimit({ perSecond: 10, burst: 10 })
    const level = { tokens: 3, refilledAt: 100 }
    expect(refill(level, bucket, 90)).toEqual(level)
  })
})

describe('tokens of calls that were not made', () => {
  it('go back only as far as nobody can have spent what the bucket would not have held', () => {
    const fill = fc.double({ min: 0, max: 1, noNaN: true })
    const seconds = fc.double({ min: 0, max: 10, noNaN: true })
    const refused = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(limits, fill, seconds, refused, (limit, full, age, part) => {
        const bucket = bucketLimit(limit)
        const level = full * bucket.capacity
        const first = take({ tokens: level, refilledAt: 0 }, 1000)
        const back = Math.ceil(first.taken * part) * creditBack(level, bucket, age)
        // Others spend all that came in, and then what goes back, at once.
        const others = take(refill(first.level, bucket, age), 1000)
        expect(Math.floor(others.level.tokens + back) + others.taken).toBeLessThanOrEqual(
          bucket.capacity + 1e-6,
        )
      }),
    )
  })

  it('go back nearly whole where little has flowed in since', () => {
    const limit = bucketLimit({ perSecond: 0.001, burst: 1 })
    expect(creditBack(1, limit, 0.05)).toBeCloseTo(1, 3)
    expect(creditBack(1, limit, 2000)).toBe(0)
  })
})
