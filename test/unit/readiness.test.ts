import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { observe } from '../../src/readiness/observation.ts'
import { pollIntervals } from '../../src/readiness/poll-schedule.ts'
import { callsFor } from '../../src/readiness/readiness-poller.ts'

const limits = { provisionTimeoutMs: 60_000, visibilityMs: 10_000 }
const claimed = (ageMs: number) => ({
  projectId: 'p',
  id: 'i',
  provisionRequestId: 'r',
  polls: 1,
  ageMs,
  probing: false,
  troubles: 0,
  refillPerSecond: 1,
})
const seen = (state: 'pending' | 'running' | 'failed' | 'gone' | 'busy') => ({
  name: 'web',
  serverId: 's-1',
  state,
  upstreamState: state,
  error: null,
})

describe('observe', () => {
  it('takes running and failed as final at any age', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), (ageMs) => {
        expect(observe(claimed(ageMs), seen('running'), limits).state).toBe('running')
        expect(observe(claimed(ageMs), seen('failed'), limits).state).toBe('failed')
        expect(observe(claimed(ageMs), seen('gone'), limits).state).toBe('failed')
      }),
    )
  })

  it('fails an instance with provision_timeout only when its time is over', () => {
    for (const state of ['pending', 'busy'] as const) {
      expect(observe(claimed(59_999), seen(state), limits)).toMatchObject({
        state: 'pending',
        errorCode: null,
      })
      expect(observe(claimed(60_000), seen(state), limits)).toMatchObject({
        state: 'failed',
        errorCode: 'provision_timeout',
      })
    }
  })

  it('forgives absence while a new instance may be invisible', () => {
    expect(observe(claimed(9_999), 'not_found', limits).state).toBe('pending')
    expect(observe(claimed(10_000), 'not_found', limits)).toMatchObject({
      state: 'failed',
      errorCode: 'instance_not_found',
    })
  })

  it('keeps the words of CloudDC about a failure', () => {
    const sighting = { ...seen('failed'), error: { code: 'iMetal.0300', message: 'boot failed' } }
    expect(observe(claimed(1), sighting, limits)).toMatchObject({
      errorCode: 'iMetal.0300',
      errorMessage: 'boot failed',
    })
  })
})

describe('pollIntervals', () => {
  it('grow from the minimum to the maximum', () => {
    expect(pollIntervals({ minMs: 5000, maxMs: 60_000 })).toEqual([
      5000, 7500, 11250, 16875, 25313, 37970, 56955, 60_000,
    ])
    expect(pollIntervals({ minMs: 100, maxMs: 100 })).toEqual([100])
  })
})

describe('callsFor', () => {
  it('asks for at most 100 instances per call, for each once, and fills all calls but the last', () => {
    fc.assert(
      fc.property(fc.nat(700), (count) => {
        const instances = Array.from({ length: count }, (_, n) => ({ ...claimed(0), id: `i${n}` }))
        const calls = callsFor(instances)
        expect(calls.flat()).toEqual(instances)
        expect(calls.slice(0, -1).every((call) => call.length === 100)).toBe(true)
        expect(calls.length).toBe(Math.ceil(count / 100))
      }),
      { numRuns: 30 },
    )
  })
})
