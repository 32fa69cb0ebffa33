import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkBudget } from '../budget-check.ts'
import { createLimiter, describeLimit } from '../limiter.ts'
import { resolveOptions } from '../options.ts'

/** Gaps between calls in ms, turned into ascending times. */
const arrivals = fc
  .array(fc.double({ min: 0, max: 400, noNaN: true }), { minLength: 1, maxLength: 120 })
  .map((gaps) => {
    let now = 1_800_000_000_000
    return gaps.map((gap) => {
      now += gap
      return now
    })
  })

/** The definition itself, over every pair of calls. */
const worstWindow = (times: readonly number[], rate: number, burst: number) =>
  Math.max(
    ...times.flatMap((end, j) =>
      times.slice(0, j + 1).map((start, i) => j - i + 1 - burst - ((end - start) * rate) / 1000),
    ),
  )

describe('token bucket', () => {
  it('admits no window more than burst + rate x time, and refuses only what would exceed it', () => {
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 30 }),
        (times, burst, rate) => {
          const limiter = createLimiter({
            settings: resolveOptions({ limiterRate: rate, limiterBurst: burst }),
          })
          const admitted: number[] = []
          for (const time of times) {
            const over = worstWindow([...admitted, time], rate, burst)
            const { within } = limiter.admit('p', 'ListInstances', time)
            if (within) admitted.push(time)
            if (Math.abs(over) > 1e-3) expect(within).toBe(over < 0)
          }
          expect(worstWindow(admitted, rate, burst)).toBeLessThan(1e-3)
        },
      ),
    )
  })

  it('says how long until the next token', () => {
    const limiter = createLimiter({ settings: resolveOptions({ limiterRate: 4, limiterBurst: 1 }) })
    expect(limiter.admit('p', 'RunInstances', 1000)).toEqual({ within: true })
    expect(limiter.admit('p', 'RunInstances', 1050)).toEqual({
      within: false,
      of: 'project',
      retryAfterMs: 200,
    })
    expect(limiter.admit('p', 'RunInstances', 1250)).toEqual({ within: true })
  })
})

describe('fixed window', () => {
  const settings = resolveOptions({ limiterKind: 'fixed_window', limiterLimit: 2, limiterWindowMs: 1000 })

  it('admits its limit in each window and says when the next begins', () => {
    const limiter = createLimiter({ settings })
    const admit = (now: number) => limiter.admit('p', 'RunInstances', now)
    expect([admit(1000), admit(1999), admit(1999.5)]).toEqual([
      { within: true },
      { within: true },
      { within: false, of: 'project', retryAfterMs: 0.5 },
    ])
    expect([admit(2000), admit(2000), admit(2001)].map(({ within }) => within)).toEqual([true, true, false])
  })
})

describe('scope', () => {
  it('keeps projects apart', () => {
    const limiter = createLimiter({ settings: resolveOptions({ limiterRate: 1 }) })
    expect(['p', 'q', 'p'].map((project) => limiter.admit(project, 'ShowServer', 5).within)).toEqual([
      true,
      true,
      false,
    ])
  })

  it('counts only creating calls when told so', () => {
    const limiter = createLimiter({ settings: resolveOptions({ limiterRate: 1, limitScope: 'create' }) })
    const calls = ['ListInstances', 'CreateInstance', 'ListInstances', 'RunInstances'] as const
    expect(calls.map((operation) => limiter.admit('p', operation, 5).within)).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  it('limits nothing by default, and starts anew after a reset', () => {
    const open = createLimiter({ settings: resolveOptions({}) })
    expect(Array.from({ length: 1000 }, () => open.admit('p', 'RunInstances', 5).within)).not.toContain(false)
    const limiter = createLimiter({ settings: resolveOptions({ limiterRate: 1 }) })
    limiter.admit('p', 'RunInstances', 5)
    limiter.reset()
    expect(limiter.admit('p', 'RunInstances', 5).within).toBe(true)
  })
})

describe('describeLimit', () => {
  it.each([
    [{ limiterRate: 5 }, 'limit:5,time:1 second'],
    [{ limiterKind: 'fixed_window', limiterLimit: 200, limiterWindowMs: 300_000 }, 'limit:200,time:5 minute'],
    [{ limiterKind: 'fixed_window', limiterRate: 3, limiterWindowMs: 10_000 }, 'limit:30,time:10 second'],
  ] as const)('writes %j as %s', (options, text) => {
    expect(describeLimit(resolveOptions(options))).toBe(text)
  })
})

describe('checkBudget', () => {
  it('finds the worst window', () => {
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 30 }),
        (times, burst, rate) => {
          const found = checkBudget(times, { rate, burst })
          expect(found.worst_excess).toBeCloseTo(worstWindow(times, rate, burst), 3)
          expect(found.calls).toBe(times.length)
        },
      ),
    )
  })

  it('measures use against the whole budget', () => {
    const times = Array.from({ length: 25 }, (_, index) => 1000 + Math.max(0, index - 4) * 50)
    expect(checkBudget(times, { rate: 20, burst: 5 })).toEqual({
      calls: 25,
      span_seconds: 1,
      worst_excess: 0,
      utilisation: 1,
    })
    expect(checkBudget([], { rate: 20, burst: 5 })).toMatchObject({ calls: 0, worst_excess: -5 })
  })
})

describe('the limit of a user', () => {
  const admitAll = (options: object, calls: [string, string][]) => {
    const limiter = createLimiter({ settings: resolveOptions(options) })
    return calls.map(([project, user]) => limiter.admit(project, 'RunInstances', 5, user))
  }

  it('holds over all projects, beside that of each', () => {
    const options = { limiterRate: 1, userLimiterRate: 2 }
    const admissions = admitAll(options, [
      ['p', 'u'],
      ['q', 'u'],
      ['r', 'u'],
      ['q', 'v'],
      ['r', 'v'],
      ['s', ''],
    ])
    expect(admissions).toEqual([
      { within: true },
      { within: true },
      { within: false, of: 'user', retryAfterMs: 500 },
      { within: false, of: 'project', retryAfterMs: 1000 },
      { within: true },
      { within: true },
    ])
  })

  it('takes nothing for a call that the project has no room for', () => {
    const options = { limiterRate: 1, userLimiterRate: 2 }
    const admissions = admitAll(options, [
      ['p', 'u'],
      ['p', 'u'],
      ['q', 'u'],
      ['r', 'u'],
    ])
    expect(admissions.map(({ within }) => within)).toEqual([true, false, true, false])
  })

  it('is worded as it is', () => {
    expect(describeLimit(resolveOptions({ userLimiterRate: 10 }), 'user')).toBe('limit:10,time:1 second')
  })
})
