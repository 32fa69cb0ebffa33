import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { worstWindow } from '../budget.ts'

/** Every window that begins and ends with a call, one by one. */
function worstByTrying(times: readonly number[], perSecond: number, burst: number): number {
  let worst = -burst
  for (const [from, start] of times.entries()) {
    for (const [to, end] of times.entries()) {
      if (to < from) continue
      worst = Math.max(worst, to - from + 1 - burst - ((end - start) / 1000) * perSecond)
    }
  }
  return worst
}

describe('the worst window', () => {
  it('is the same as by trying every window', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { maxLength: 60 }),
        fc.double({ min: 0.5, max: 100, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        (gaps, perSecond, burst) => {
          const times = gaps.toSorted((a, b) => a - b)
          const { excess } = worstWindow(times, { perSecond, burst })
          expect(excess).toBeCloseTo(worstByTrying(times, perSecond, burst), 6)
        },
      ),
    )
  })

  it('allows what a full bucket and its refill allow, and not one call more', () => {
    const paced = Array.from({ length: 100 }, (_, index) => 1e12 + Math.max(0, index - 4) * 50)
    expect(worstWindow(paced, { perSecond: 20, burst: 5 }).excess).toBeLessThanOrEqual(1e-6)
    const oneMore = [...paced, 1e12 + 1000].toSorted((a, b) => a - b)
    expect(worstWindow(oneMore, { perSecond: 20, burst: 5 }).excess).toBeGreaterThan(0.9)
  })

  it('names the window', () => {
    const worst = worstWindow([0, 1000, 1000, 1000, 9000], { perSecond: 1, burst: 2 })
    expect(worst).toMatchObject({ calls: 3, fromMs: 1000, toMs: 1000, excess: 1 })
  })
})
