import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawBoot } from '../../dev/realistic-boots.ts'
import { createSeededRandom } from '../../dev/seeded-random.ts'
import { addBoots, type BootCurve, curveOf } from '../../src/forecast/boot-curve.ts'
import { createLearnedTimes } from '../../src/readiness/learned-times.ts'
import { pollIntervals } from '../../src/readiness/poll-schedule.ts'

const [minMs, maxMs] = [5000, 60_000]
const intervals = pollIntervals({ minMs, maxMs })
const times = createLearnedTimes(intervals)

function learn(drawMs: () => number, seen = 200): BootCurve {
  const curve = curveOf(addBoots([], Array.from({ length: seen }, drawMs)))
  if (curve === null) throw new Error('there is a curve')
  return curve
}

/** Polls an order's instances together until all run: calls, and the delays until each is known to run. */
function pollOrder(bootsMs: readonly number[], next: (agesMs: number[], polls: number) => number) {
  const delays: number[] = []
  let left = [...bootsMs]
  let calls = 0
  for (let atMs = minMs; left.length > 0; ) {
    calls += 1
    const now = atMs
    delays.push(...left.filter((bootMs) => bootMs <= now).map((bootMs) => now - bootMs))
    left = left.filter((bootMs) => bootMs > now)
    atMs += next(
      left.map(() => now),
      calls,
    )
  }
  return { calls, delays }
}

const growing = (_ages: number[], polls: number) => intervals[Math.min(polls, intervals.length - 1)] ?? maxMs

describe.each([1, 3, 10, 30])('orders of %i with two clusters of boots and a long tail', (instances) => {
  test('need fewer calls, and are known earlier, than by growing intervals', () => {
    const random = createSeededRandom(3).next
    const draw = () => 1000 * drawBoot(random)
    const curve = learn(draw)
    const learned = (ages: number[]) => times.nextInMs(ages.map((ageMs) => ({ ageMs, curve }))) ?? maxMs
    const runs = Array.from({ length: 300 }, () => {
      const boots = Array.from({ length: instances }, draw)
      return { learned: pollOrder(boots, learned), growing: pollOrder(boots, growing) }
    })
    const calls = (kind: 'learned' | 'growing') =>
      runs.reduce((sum, run) => sum + run[kind].calls, 0) / runs.length
    const delay = (kind: 'learned' | 'growing') => {
      const all = runs.flatMap((run) => run[kind].delays)
      return all.reduce((sum, ms) => sum + ms, 0) / all.length / 1000
    }
    expect(calls('learned')).toBeLessThan(0.95 * calls('growing'))
    expect(delay('learned')).toBeLessThan(0.85 * delay('growing'))
  })
})

describe('a learned wait', () => {
  test('is none where nothing is known', () => {
    expect(times.nextInMs([{ ageMs: 1000, curve: null }])).toBeNull()
    const curve = learn(() => 100_000)
    expect(times.nextInMs([{ ageMs: 10 * curve.endMs, curve }])).toBeNull()
  })

  test('lasts until the cluster begins, and not beyond', () => {
    const curve = learn(() => 50_000)
    const wait = times.nextInMs([{ ageMs: 5000, curve }]) ?? 0
    expect(5000 + wait).toBeGreaterThan(40_000)
    expect(5000 + wait).toBeLessThan(52_000)
  })

  test('stays within the bounds, and no longer than the growing one beside an unknown image', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1000, max: 3e6, noNaN: true }), { minLength: 10, maxLength: 50 }),
        fc.array(fc.double({ min: 0, max: 4e6, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (seen, ages, unknown) => {
          const curve = curveOf(addBoots([], seen))
          const pending = ages.map((ageMs) => ({ ageMs, curve }))
          const wait = times.nextInMs(unknown ? [...pending, { ageMs: 0, curve: null }] : pending)
          if (wait === null) return
          expect(wait).toBeGreaterThanOrEqual(minMs)
          expect(wait).toBeLessThanOrEqual(unknown ? minMs : maxMs)
        },
      ),
    )
  })
})
