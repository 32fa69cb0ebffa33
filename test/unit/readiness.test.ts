import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ClaimedInstance } from '../../src/readiness/claim-instances.sql.ts'
import { observe } from '../../src/readiness/observation.ts'
import { pollIntervals } from '../../src/readiness/poll-schedule.ts'
import { callsFor } from '../../src/readiness/readiness-poller.ts'

const limits = { provisionTimeoutMs: 60_000, visibilityMs: 10_000, serverWaitMs: 5_000 }
const claimed = (ageMs: number, known: Partial<ClaimedInstance> = {}): ClaimedInstance => ({
  projectId: 'p',
  id: 'i',
  provisionRequestId: 'r',
  polls: 1,
  ageMs,
  probing: false,
  troubles: 0,
  refillPerSecond: 1,
  ranMs: null,
  ...known,
})
const seen = (state: 'pending' | 'running' | 'failed' | 'gone' | 'busy') => ({
  name: 'web',
  serverId: 's-1' as string | null,
  imageId: 'image',
  networkInterfaces: [{ subnet_id: 'subnet', ipv4_address: '10.0.0.1' }],
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

  it('takes what runs as running once it is listed with its server', () => {
    const unnamed = { ...seen('running'), serverId: null }
    expect(observe(claimed(1), unnamed, limits)).toMatchObject({ state: 'pending', ran: true })
    expect(observe(claimed(1, { ranMs: 1 }), seen('running'), limits)).toMatchObject({
      state: 'running',
      serverId: 's-1',
    })
  })

  it('waits for the listing of what ran so long and no longer, and never fails it', () => {
    const states = ['pending', 'running', 'failed', 'gone', 'busy'] as const
    const sighting = fc.oneof(
      fc.constant('not_found' as const),
      fc.record({ state: fc.constantFrom(...states), serverId: fc.constantFrom(null, 's-1') }),
    )
    fc.assert(
      fc.property(sighting, fc.nat(10_000), fc.nat(1_000_000), (what, ranMs, ageMs) => {
        const shown = what === 'not_found' ? what : { ...seen(what.state), serverId: what.serverId }
        // A listing that lags may know the server, and no address yet.
        const isListed = what !== 'not_found' && what.serverId !== null && what.state !== 'pending'
        expect(observe(claimed(ageMs + ranMs, { ranMs }), shown, limits)).toMatchObject({
          state: isListed || ranMs >= limits.serverWaitMs ? 'running' : 'pending',
          ran: true,
          errorCode: null,
        })
      }),
    )
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
