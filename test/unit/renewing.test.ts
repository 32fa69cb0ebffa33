import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { createRenewing } from '../../src/clouddc/auth/renewing.ts'
import type { Lease } from '../../src/clouddc/iam/lease.ts'

const logger = pino({ level: 'silent' })
const PAUSE_MS = 5000

/** A renewing value whose fetches wait until the test answers them, on a clock of its own. */
function open(random = () => 0) {
  const clock = { now: 0 }
  const open: { askedAt: number; answer: PromiseWithResolvers<Lease<number>> }[] = []
  let fetches = 0
  const source = createRenewing<number>({
    fetch: () => {
      fetches += 1
      const answer = Promise.withResolvers<Lease<number>>()
      open.push({ askedAt: clock.now, answer })
      return answer.promise
    },
    what: 'it',
    pauseMs: () => PAUSE_MS,
    logger,
    now: () => clock.now,
    random,
  })
  return {
    clock,
    source,
    underWay: () => open.length,
    fetches: () => fetches,
    /** Answers the fetch under way; a life of 0 is a failure. */
    settle: async (lifeMs: number) => {
      const fetch = open.shift()
      if (fetch === undefined) return null
      const value = fetches
      if (lifeMs > 0) fetch.answer.resolve({ value, lifeMs })
      else fetch.answer.reject(new Error('IAM is in trouble'))
      await settled()
      return { value, endsAt: fetch.askedAt + lifeMs, askedAt: fetch.askedAt }
    },
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** What a promise has come to by now. */
async function stateOf(promise: Promise<number>): Promise<number | 'failed' | 'waits'> {
  const state = promise.catch(() => 'failed' as const)
  return Promise.race([state, settled().then(() => 'waits' as const)])
}

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
    fc.record({ kind: fc.constant('use' as const) }),
    fc.record({ kind: fc.constant('refuse' as const) }),
    fc.record({ kind: fc.constant('answer' as const), lifeMs: fc.constantFrom(0, 0, 600, 20_000, 90_000) }),
  ),
  { maxLength: 60 },
)

describe('a renewing value', () => {
  it('is fetched once at a time, kept while good, renewed late, and never used after its end', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.double({ min: 0, max: 1, noNaN: true }), async (script, random) => {
        const world = open(() => random)
        const { clock, source } = world
        let held: { value: number; endsAt: number; askedAt: number; takenAt: number } | null = null
        let pausedUntil = Number.NEGATIVE_INFINITY
        for (const step of script) {
          const before = world.fetches()
          if (step.kind === 'wait') clock.now += step.ms
          if (step.kind === 'use' || step.kind === 'refuse') {
            const asked = step.kind === 'use' ? source.current() : source.renew(held?.value)
            const state = await stateOf(asked)
            const life = held === null ? 0 : held.endsAt - held.askedAt
            const isGood = held !== null && clock.now < held.endsAt - Math.min(10_000, life / 20)
            if (step.kind === 'use') {
              if (isGood) expect(state).toBe(held?.value)
              else expect(['failed', 'waits']).toContain(state)
              const isYoung = held !== null && clock.now < held.askedAt + (life * 2) / 3
              if (isYoung) expect(world.fetches()).toBe(before)
            } else if (held !== null && clock.now - held.takenAt < 30_000) {
              expect(world.fetches()).toBe(before)
            }
            if (clock.now < pausedUntil) expect(world.fetches()).toBe(before)
          }
          if (step.kind === 'answer') {
            const answered = await world.settle(step.lifeMs)
            if (answered !== null && step.lifeMs > 0) {
              held = { ...answered, takenAt: clock.now }
              pausedUntil = Number.NEGATIVE_INFINITY
            } else if (answered !== null) pausedUntil = clock.now + PAUSE_MS
          }
          expect(world.underWay()).toBeLessThanOrEqual(1)
        }
      }),
    )
  })

  it('answers all who wait for the first fetch by that one', async () => {
    const world = open()
    const users = Array.from({ length: 50 }, () => world.source.current())
    await settled()
    await world.settle(1000)
    expect(new Set(await Promise.all(users))).toEqual(new Set([1]))
    expect(world.fetches()).toBe(1)
  })

  it('is renewed between two thirds of its life and a tenth of the rest later', async () => {
    for (const [random, atMs] of [
      [0, 60_000],
      [1, 63_000],
    ] as const) {
      const world = open(() => random)
      const first = world.source.current()
      await world.settle(90_000)
      await first
      world.clock.now = atMs - 1
      await world.source.current()
      expect(world.fetches()).toBe(1)
      world.clock.now = atMs
      expect(await world.source.current()).toBe(1)
      expect(world.fetches()).toBe(2)
      await world.settle(90_000)
      expect(await world.source.current()).toBe(2)
    }
  })

  it('is not fetched anew for a refusal of one that was replaced, or that has just come', async () => {
    const world = open()
    const first = world.source.current()
    await world.settle(3_600_000)
    await first
    world.clock.now = 29_999
    expect(await world.source.renew(1)).toBe(1)
    world.clock.now = 30_000
    const renewed = world.source.renew(1)
    await settled()
    await world.settle(3_600_000)
    expect(await renewed).toBe(2)
    world.clock.now = 90_000
    expect(await world.source.renew(1)).toBe(2)
    expect(world.fetches()).toBe(2)
  })

  it('is refused when it has ended before it came', async () => {
    const source = createRenewing<number>({
      fetch: async () => ({ value: 1, lifeMs: -5 }),
      what: 'it',
      pauseMs: () => 1,
      logger,
    })
    await expect(source.current()).rejects.toThrow('has ended already')
  })
})
