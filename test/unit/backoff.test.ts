import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jitteredBackoff } from '../../src/runtime/backoff.ts'

const bounds = fc.record({
  minMs: fc.integer({ min: 1, max: 10_000 }),
  maxMs: fc.integer({ min: 10_000, max: 600_000 }),
})
const failures = fc.integer({ min: 0, max: 1000 })
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('a delay lies in the upper half of a range that doubles up to the maximum', () => {
  fc.assert(
    fc.property(bounds, failures, draw, (limits, count, random) => {
      const ceiling = Math.min(limits.maxMs, limits.minMs * 2 ** Math.max(0, count - 1))
      const delay = jitteredBackoff(count, limits, () => random)
      expect(delay).toBeGreaterThanOrEqual(ceiling / 2)
      expect(delay).toBeLessThanOrEqual(ceiling)
    }),
  )
})

test('the first delays double', () => {
  const delays = [1, 2, 3, 4, 5, 6].map((count) =>
    jitteredBackoff(count, { minMs: 100, maxMs: 2000 }, () => 1),
  )
  expect(delays).toEqual([100, 200, 400, 800, 1600, 2000])
})
