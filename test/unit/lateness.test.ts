import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLateness, LateCallError } from '../../src/budget/lateness.ts'
import { bucketLimit, type CallLimit } from '../../src/budget/token-bucket.ts'
import { type Level, pay } from '../support/bucket-model.ts'

/** On a clock that the test moves. */
function createGuard() {
  let now = 0
  const lateness = createLateness(() => now)
  return {
    usualMs: lateness.usualMs,
    admits: (ageMs: number, roomMs: number) => {
      try {
        lateness.check({ age: () => ageMs, roomMs })
        return true
      } catch (error) {
        expect(error).toBeInstanceOf(LateCallError)
        return false
      }
    },
    pass: (ms: number) => {
      now += ms
    },
  }
}

describe('a call', () => {
  test('is made within the room of its payment, and not after it', () => {
    const { admits } = createGuard()
    expect(admits(70, 70)).toBe(true)
    expect(admits(71, 70)).toBe(false)
  })

  test('is late by nothing, as far as is known, before the first one', () => {
    expect(createGuard().usualMs()).toBe(0)
  })

  test('is usually as late as the least late of the last seconds, refused ones included', () => {
    const { admits, usualMs, pass } = createGuard()
    admits(300, 1000)
    admits(400, 10)
    expect(usualMs()).toBe(300)
    admits(5, 10)
    expect(usualMs()).toBe(5)
    pass(10_000)
    admits(300, 10)
    expect(usualMs()).toBe(5)
    pass(10_000)
    admits(310, 10)
    expect(usualMs()).toBe(300)
  })

  test('is never usually later than a second: no more is paid for in advance', () => {
    const { admits, usualMs } = createGuard()
    admits(60_000, 10)
    expect(usualMs()).toBe(1000)
  })
})

interface Step {
  replica: number
  /** Time since the step before, in times that one token takes, or until its calls arrive. */
  wait: number | 'arrival'
  wanted: number
  /** How late its calls are written: by no more than their link, by a part of their room, or of a minute. */
  late: { of: 'link' | 'room' | 'minute'; part: number }
  /** Part of the difference in transit that the room leaves. */
  transit: number
  /** Part of its calls that turn out to be none, and are paid back. */
  unsent: number
  /** From here on, what all calls of the replica are late by. */
  linkMs: number | null
}

interface Replica {
  linkMs: number
  lateness: ReturnType<typeof createLateness>
}

interface Write {
  at: number
  run: () => void
}

/** When the calls of replicas that pay from one bucket arrive, in milliseconds, ascending. */
function arrivalsOf(limit: CallLimit, links: readonly number[], sequence: readonly Step[]): number[] {
  const bucket = bucketLimit(limit)
  let now = 0
  const replicas = links.map((linkMs): Replica => ({ linkMs, lateness: createLateness(() => now) }))
  let level: Level = { tokens: bucket.capacity, refilledAt: 0 }
  let lastPayment: unknown
  let arrivalMs = 0
  let writes: Write[] = []
  const arrivals: number[] = []

  const writeUntil = (end: number) => {
    const due = writes.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
    writes = writes.filter(({ at }) => at > end)
    for (const { at, run } of due) {
      now = at
      run()
    }
    now = end
  }

  for (const step of sequence) {
    const at =
      step.wait === 'arrival' ? Math.max(now, arrivalMs) : now + (step.wait / bucket.refillPerSecond) * 1000
    writeUntil(at)
    const replica = replicas[step.replica % replicas.length] as Replica
    replica.linkMs = step.linkMs ?? replica.linkMs
    const lateMs = replica.lateness.usualMs()
    const payment = pay(level, bucket, { at: at / 1000, wanted: step.wanted, lateMs })
    level = payment.level
    if (payment.paid > 0) lastPayment = payment
    const { roomMs, transitMs } = payment
    const longestMs = { link: 0, room: roomMs, minute: 60_000 }[step.late.of]
    const ageMs = Math.max(replica.linkMs, longestMs * step.late.part)
    const sendAll = (calls: number) => {
      for (let call = 0; call < calls; call += 1) {
        try {
          replica.lateness.check({ age: () => ageMs, roomMs })
          arrivals.push(now + step.transit * transitMs)
        } catch (error) {
          expect(error).toBeInstanceOf(LateCallError)
        }
      }
    }
    const payBack = (calls: number) => {
      if (lastPayment === payment) level = { ...level, tokens: level.tokens + calls }
    }
    arrivalMs = at + ageMs + step.transit * transitMs
    const unsent = Math.round(payment.paid * step.unsent)
    writes.push({ at: at + ageMs, run: () => sendAll(payment.paid - unsent) })
    if (unsent > 0) writes.push({ at: at + ageMs, run: () => payBack(unsent) })
  }
  writeUntil(Number.POSITIVE_INFINITY)
  return arrivals.sort((a, b) => a - b)
}

const part = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }))
const linkMs = fc.oneof(
  fc.constant(0),
  fc.double({ min: 0, max: 10, noNaN: true }),
  fc.double({ min: 0, max: 2000, noNaN: true }),
)
const limits = fc.record({
  perSecond: fc.oneof(
    fc.double({ min: 0.05, max: 10, noNaN: true }),
    fc.double({ min: 10, max: 300, noNaN: true }),
  ),
  burst: fc.oneof(fc.double({ min: 2, max: 6, noNaN: true }), fc.double({ min: 6, max: 40, noNaN: true })),
})
const steps = (unsent: fc.Arbitrary<number>) =>
  fc.array(
    fc.record({
      replica: fc.oneof(fc.constant(0), fc.nat(2)),
      wait: fc.oneof(
        fc.constantFrom(0, 1, 'arrival' as const, 'arrival' as const),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 50, noNaN: true }),
      ),
      wanted: fc.oneof(fc.constantFrom(1, 100), fc.integer({ min: 1, max: 10 })),
      late: fc.record({ of: fc.constantFrom('link', 'link', 'room', 'room', 'minute'), part }),
      transit: part,
      unsent,
      linkMs: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: linkMs }),
    }),
    { minLength: 1, maxLength: 40 },
  )

/** The most calls that any window has beyond the limit. */
function excessOf(arrivals: readonly number[], { perSecond, burst }: CallLimit): number {
  // Of a bucket of the whole burst, that every call takes one from, as they arrive.
  let tokens = burst
  let least = burst
  for (const [index, at] of arrivals.entries()) {
    tokens = Math.min(burst, tokens + ((at - (arrivals[index - 1] ?? at)) / 1000) * perSecond) - 1
    least = Math.min(least, tokens)
  }
  return -least
}

describe('the calls that arrive', () => {
  test('are never more than the limit in any window, however late and by whatever replica', () => {
    fc.assert(
      fc.property(
        limits,
        fc.tuple(linkMs, linkMs, linkMs),
        steps(fc.constant(0)),
        (limit, links, sequence) => {
          expect(excessOf(arrivalsOf(limit, links, sequence), limit)).toBeLessThanOrEqual(1e-6)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('are so, too, where some that were paid for are not made, and paid back', () => {
    fc.assert(
      fc.property(limits, fc.tuple(linkMs, linkMs, linkMs), steps(part), (limit, links, sequence) => {
        expect(excessOf(arrivalsOf(limit, links, sequence), limit)).toBeLessThanOrEqual(1e-6)
      }),
      { numRuns: 1000 },
    )
  })

  const calm = { replica: 0, wanted: 100, transit: 0, unsent: 0, linkMs: null }

  test('are so where a slow way becomes quick, and the last slow calls arrive together with quick ones', () => {
    // The burst is short beside the link: what is paid in advance goes beyond what the bucket has.
    const short = fc.record({
      perSecond: fc.double({ min: 20, max: 300, noNaN: true }),
      burst: fc.double({ min: 2, max: 12, noNaN: true }),
    })
    const slow = fc.double({ min: 50, max: 1000, noNaN: true })
    const wait = fc.double({ min: 1, max: 20, noNaN: true })
    fc.assert(
      fc.property(short, slow, wait, fc.integer({ min: 2, max: 60 }), (limit, slowMs, each, calls) => {
        const step = { ...calm, wait: each, late: { of: 'link' as const, part: 0 } }
        const before = Array.from({ length: calls }, () => ({ ...step, transit: 1 }))
        const quick = Array.from({ length: calls }, () => ({ ...step, wait: 1, linkMs: 0 }))
        const arrivals = arrivalsOf(limit, [slowMs], [...before, ...quick])
        expect(excessOf(arrivals, limit)).toBeLessThanOrEqual(1e-6)
      }),
      { numRuns: 1000 },
    )
  })

  test('do not end where the way is slow for all of them', () => {
    fc.assert(
      fc.property(limits, fc.double({ min: 0, max: 1000, noNaN: true }), (limit, slowMs) => {
        const wait = Math.max(1.1, 1.2 * limit.perSecond)
        const sequence = Array.from({ length: 12 }, () => ({
          ...calm,
          wait,
          late: { of: 'link' as const, part: 0 },
        }))
        expect(arrivalsOf(limit, [slowMs], sequence).length).toBeGreaterThan(6)
      }),
    )
  })

  test('use the whole rate where they are as late as on a busy machine', () => {
    const limit = { perSecond: 200, burst: 20 }
    const sequence = Array.from({ length: 400 }, (_, number) => ({
      ...calm,
      wait: 5 + (number % 2),
      late: { of: 'room' as const, part: (number % 10) / 20 },
    }))
    const arrivals = arrivalsOf(limit, [5, 5, 5], sequence)
    const seconds = ((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)) / 1000
    expect(arrivals.length / (limit.perSecond * seconds)).toBeGreaterThan(0.995)
  })
})
