import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTimes } from '../../src/runtime/pace.ts'

const rates = fc.integer({ min: 1, max: 1000 })
/** Milliseconds between one who asks and the next. */
const gaps = fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { minLength: 1, maxLength: 100 })
/** A quarter of a second, and what numbers round away. */
const MADE_UP_MS = 250.001

const passed = (perSecond: number, waits: readonly number[]) => {
  const timeOf = createTimes(perSecond, 0)
  let now = 0
  return waits.map((wait) => {
    now += wait
    return { asked: now, at: Math.max(now, timeOf(now)) }
  })
}

describe('a pace', () => {
  test('lets pass in order, and in no time more than its rate gives, and what is made up for', () => {
    fc.assert(
      fc.property(rates, gaps, (perSecond, waits) => {
        const times = passed(perSecond, waits).map(({ at }) => at)
        expect(times).toEqual(times.toSorted((a, b) => a - b))
        const gapMs = 1000 / perSecond
        for (const [first, from] of times.entries())
          for (const [last, to] of times.entries())
            if (last > first) expect((last - first) * gapMs).toBeLessThanOrEqual(to - from + MADE_UP_MS)
      }),
    )
  })

  test('holds its rate though those who ask are held up now and then for a quarter of a second', () => {
    const asked = [0, 0, 0, 250, 250, 250, 250, 250, 250, 250]
    const timeOf = createTimes(20, 0)
    const times = asked.map((now) => Math.max(now, timeOf(now)))
    expect(times).toEqual([0, 50, 100, 250, 250, 250, 300, 350, 400, 450])
  })

  test('lets nobody wait who asks more seldom', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 50 }), (perSecond, count) => {
        const waits = Array.from({ length: count }, () => 1000 / perSecond + 0.001)
        for (const { asked, at } of passed(perSecond, waits)) expect(at).toBe(asked)
      }),
    )
  })
})
