import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawBoot } from '../../dev/realistic-boots.ts'
import { createSeededRandom } from '../../dev/seeded-random.ts'
import { addBoots, BINS, curveOf, quantilesOf } from '../../src/forecast/boot-curve.ts'

const boots = fc.array(fc.double({ min: 0, max: 2e8, noNaN: true }), { minLength: 10, maxLength: 200 })

describe('a boot curve', () => {
  test('is unknown before ten instances', () => {
    const nine = addBoots(
      [],
      Array.from({ length: 9 }, () => 60_000),
    )
    expect([quantilesOf(nine), curveOf(nine)]).toEqual([null, null])
    expect(quantilesOf(addBoots(nine, [60_000]))).not.toBeNull()
  })

  test('knows quantiles to some percent, the rare ones to a few more', () => {
    const random = createSeededRandom(7).next
    const drawn = Array.from({ length: 400 }, () => 1000 * drawBoot(random)).sort((a, b) => a - b)
    const known = quantilesOf(addBoots([], drawn)) ?? []
    for (const [index, quantile] of [0.5, 0.75, 0.9, 0.95, 0.99].entries()) {
      const exact = drawn[Math.floor(quantile * 400)] ?? 0
      expect(Math.abs((known[index] ?? 0) / exact - 1)).toBeLessThan(0.1)
    }
  })

  test('keeps its size, whatever it has seen, and forgets what is long ago', () => {
    let counts = addBoots(
      [],
      Array.from({ length: 5000 }, () => 100_000),
    )
    for (let round = 0; round < 100; round += 1)
      counts = addBoots(
        counts,
        Array.from({ length: 50 }, () => 400_000),
      )
    expect(counts).toHaveLength(BINS)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(500.001)
    expect(quantilesOf(counts)?.[0]).toBeGreaterThan(380_000)
  })

  test('falls from all to nearly none, and the rate at which it does is its own', () => {
    fc.assert(
      fc.property(
        boots,
        fc.double({ min: 0, max: 1e8, noNaN: true }),
        fc.double({ min: 1, max: 1e7, noNaN: true }),
        (seen, ageMs, moreMs) => {
          const curve = curveOf(addBoots([], seen))
          if (curve === null) throw new Error('there is a curve')
          expect(curve.survival(0)).toBeCloseTo(1)
          expect(curve.survival(ageMs + moreMs)).toBeLessThanOrEqual(curve.survival(ageMs) + 1e-9)
          expect(curve.warp(ageMs + moreMs)).toBeGreaterThanOrEqual(curve.warp(ageMs) - 1e-9)
          expect(curve.survival(curve.endMs * 1.1)).toBeLessThan(0.1)
          const reached = curve.unwarp(curve.warp(ageMs) + 1e-3)
          if (Number.isFinite(reached)) expect(curve.warp(reached)).toBeCloseTo(curve.warp(ageMs) + 1e-3, 2)
        },
      ),
    )
  })
})
