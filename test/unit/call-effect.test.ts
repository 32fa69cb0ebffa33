import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NotCreatedReason, Outcome } from '../../src/attempt/outcome.ts'
import { retryDelay, standAside } from '../../src/attempt/retry-delay.ts'
import { bucketEffect, effectOfFailedReading } from '../../src/budget/call-effect.ts'
import {
  CloudDcAccessError,
  CloudDcRefusedError,
  CloudDcThrottledError,
  CloudDcUnexpectedError,
  CloudDcUnreachableError,
} from '../../src/clouddc/errors.ts'

const CALM = { projectId: 'p', troubles: 0, probing: false, payment: 'then' }

const notCreated = (reason: NotCreatedReason, retryAfterMs: number | null = null): Outcome => ({
  class: 'not_created',
  reason,
  code: 'c',
  message: 'm',
  httpStatus: null,
  retryAfterMs,
})
const created: Outcome = { class: 'created', instanceIds: ['i'], httpStatus: 202 }
const unknown: Outcome = { class: 'unknown', reason: 'timeout', code: 'c', message: 'm', httpStatus: null }
const broken: Outcome = { ...unknown, reason: 'broken_promise', httpStatus: 202, named: ['i'] }

describe('the effect of an outcome on its project', () => {
  test.each([created, broken, notCreated('refused')])(
    'that CloudDC has given is none in calm times',
    (outcome) => {
      expect(bucketEffect(outcome, CALM)).toBeNull()
    },
  )

  test.each([created, broken, notCreated('refused')])('that CloudDC has given ends trouble', (outcome) => {
    for (const after of [{ troubles: 3 }, { probing: true }]) {
      expect(bucketEffect(outcome, { ...CALM, ...after })).toMatchObject({ effect: 'clear' })
    }
  })

  test('is closing it for as long as Retry-After says, and hardly longer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3_600_000 }),
        fc.nat(20),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (retryAfterMs, troubles, random) => {
          const outcome = notCreated('throttled', retryAfterMs)
          const effect = bucketEffect(outcome, { ...CALM, troubles }, () => random)
          expect(effect).toMatchObject({ effect: 'trouble', reason: 'throttled' })
          expect(effect?.blockMs).toBeGreaterThanOrEqual(retryAfterMs)
          expect(effect?.blockMs).toBeLessThanOrEqual(retryAfterMs * 1.05)
        },
      ),
    )
  })

  test.each([
    ['throttled', 'throttled', [1000, 2000, 4000], 60_000],
    ['unreachable', 'upstream_unavailable', [1000, 2000, 4000], 30_000],
    ['unauthorized', 'unauthorized', [5000, 10_000, 20_000], 300_000],
    ['forbidden', 'forbidden', [5000, 10_000, 20_000], 60_000],
    ['misconfigured', 'misconfigured', [5000, 10_000, 20_000], 60_000],
  ] as const)('of being %s is closing it ever longer', (reason, why, first, longest) => {
    const blockAfter = (troubles: number) => {
      const effect = bucketEffect(notCreated(reason), { ...CALM, troubles }, () => 1)
      expect(effect).toMatchObject({ projectId: 'p', effect: 'trouble', reason: why })
      return effect?.blockMs
    }
    expect([0, 1, 2].map(blockAfter)).toEqual(first)
    expect(blockAfter(50)).toBe(longest)
  })

  test('of one unknown answer, or two in a row, is counting; of the third is closing it', () => {
    const effects = [0, 1, 2, 3].map((troubles) => bucketEffect(unknown, { ...CALM, troubles }, () => 1))
    expect(effects).toMatchObject([
      { effect: 'trouble', blockMs: null, reason: null },
      { effect: 'trouble', blockMs: null, reason: null },
      { effect: 'trouble', blockMs: 1000, reason: 'upstream_unavailable' },
      { effect: 'trouble', blockMs: 2000, reason: 'upstream_unavailable' },
    ])
  })

  test.each([
    ['misconfigured', [5000, 10_000, 20_000]],
    ['upstream_unavailable', [1000, 2000, 4000]],
  ] as const)(
    'of an unknown answer that all others would meet is closing it at once as %s',
    (closes, blocks) => {
      const effects = [0, 1, 2].map((troubles) =>
        bucketEffect({ ...unknown, closes }, { ...CALM, troubles }, () => 1),
      )
      expect(effects).toMatchObject(blocks.map((blockMs) => ({ effect: 'trouble', blockMs, reason: closes })))
    },
  )

  test('of an unknown answer to the probe is closing it at once', () => {
    expect(bucketEffect(unknown, { ...CALM, troubles: 1, probing: true })).toMatchObject({
      effect: 'trouble',
      reason: 'upstream_unavailable',
      blockMs: expect.any(Number),
    })
  })

  test('of a call that was not made is only that there is work', () => {
    expect(bucketEffect(notCreated('not_sent'), { ...CALM, troubles: 2 })).toMatchObject({
      effect: 'work',
      blockMs: null,
      refunds: ['then'],
    })
  })

  test('slows the rate down when throttled, where that is asked for', () => {
    expect(bucketEffect(notCreated('throttled'), CALM)).not.toHaveProperty('slowDown')
    const effect = bucketEffect(notCreated('throttled'), { ...CALM, adaptive: true })
    expect(effect?.slowDown).toBeGreaterThan(0)
    expect(effect?.slowDown).toBeLessThan(1)
    expect(bucketEffect(notCreated('unreachable'), { ...CALM, adaptive: true })).not.toHaveProperty(
      'slowDown',
    )
  })
})

describe('a failed reading call', () => {
  const effectOf = (error: unknown, troubles = 0) =>
    effectOfFailedReading(error, { projectId: 'p', troubles }, () => 1)

  test.each(['unauthorized', 'forbidden', 'misconfigured'] as const)('closes the bucket as %s', (trouble) => {
    const error = new CloudDcAccessError('no', trouble)
    expect(effectOf(error)).toEqual({ projectId: 'p', effect: 'trouble', blockMs: 5000, reason: trouble })
    expect(effectOf(error, 50)?.blockMs).toBe(trouble === 'unauthorized' ? 300_000 : 60_000)
  })

  test('closes it as throttled for as long as Retry-After says', () => {
    const throttled = { projectId: 'p', effect: 'trouble', reason: 'throttled' }
    expect(effectOf(new CloudDcThrottledError('no'))).toEqual({ ...throttled, blockMs: 1000 })
    const asked = new CloudDcThrottledError('no', { retryAfterMs: 7000 })
    expect(effectOf(asked)).toEqual({ ...throttled, blockMs: 7350 })
  })

  test('closes it as creating does, whatever the 429 says', () => {
    fc.assert(
      fc.property(
        fc.option(fc.integer({ min: 0, max: 3_600_000 }), { nil: null }),
        fc.nat(20),
        fc.boolean(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (retryAfterMs, troubles, adaptive, random) => {
          const creating = notCreated('throttled', retryAfterMs)
          const reading = new CloudDcThrottledError('no', retryAfterMs === null ? {} : { retryAfterMs })
          expect(
            effectOfFailedReading(reading, { projectId: 'p', troubles, adaptive }, () => random),
          ).toEqual(bucketEffect(creating, { ...CALM, troubles, adaptive }, () => random))
        },
      ),
    )
  })

  test('closes it for nobody when CloudDC is unreachable, or says something of what was asked', () => {
    for (const failure of [CloudDcUnreachableError, CloudDcUnexpectedError, CloudDcRefusedError]) {
      expect(effectOf(new failure('no'))).toBeNull()
    }
  })
})

describe('a request whose call was refused for what we are', () => {
  test.each(['forbidden', 'misconfigured'] as const)('lets others be the probe: %s', (reason) => {
    expect([1, 2, 3].map((number) => standAside(reason, number, () => 1))).toEqual([5000, 10_000, 20_000])
    expect(standAside(reason, 40, () => 1)).toBe(60_000)
  })

  test.each(['unauthorized', 'throttled', 'unreachable', 'not_sent'] as const)(
    'keeps its place: %s',
    (reason) => {
      expect(standAside(reason, 3)).toBeNull()
    },
  )
})

test('a retry waits longer with every attempt that came to nothing', () => {
  expect([1, 2, 3].map((attempts) => retryDelay(attempts, () => 1))).toEqual([1000, 2000, 4000])
  expect(retryDelay(30, () => 1)).toBe(300_000)
  expect(retryDelay(1, () => 0)).toBe(500)
})
