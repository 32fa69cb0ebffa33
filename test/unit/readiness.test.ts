import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  beginsToWait,
  isNews,
  type Observation,
  observe,
  type Sighting,
} from '../../src/readiness/observation.ts'
import type { PollMember } from '../../src/readiness/poll-member.ts'
import { pollIntervals } from '../../src/readiness/poll-schedule.ts'

const limits = { provisionTimeoutMs: 60_000, visibilityMs: 10_000, serverWaitMs: 5_000 }
const ASKED_MS = 1_800_000_000_000
const aged = (ageMs: number, { ranMs = null as number | null } = {}): PollMember => ({
  id: 'i',
  createdMs: ASKED_MS - ageMs,
  ranMs: ranMs === null ? null : ASKED_MS - ranMs,
  seen: null,
})
const observed = (member: PollMember, sighting: Sighting) => observe(member, ASKED_MS, sighting, limits)
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
        expect(observed(aged(ageMs), seen('running')).state).toBe('running')
        expect(observed(aged(ageMs), seen('failed')).state).toBe('failed')
        expect(observed(aged(ageMs), seen('gone')).state).toBe('failed')
      }),
    )
  })

  it('fails an instance with provision_timeout only when its time is over', () => {
    for (const state of ['pending', 'busy'] as const) {
      expect(observed(aged(59_999), seen(state))).toMatchObject({
        state: 'pending',
        errorCode: null,
      })
      expect(observed(aged(60_000), seen(state))).toMatchObject({
        state: 'failed',
        errorCode: 'provision_timeout',
      })
    }
  })

  it('forgives absence while a new instance may be invisible', () => {
    expect(observed(aged(9_999), 'not_found').state).toBe('pending')
    expect(observed(aged(10_000), 'not_found')).toMatchObject({
      state: 'failed',
      errorCode: 'instance_not_found',
    })
  })

  it('takes what runs as running once it is listed with its server', () => {
    const unnamed = { ...seen('running'), serverId: null }
    expect(observed(aged(1), unnamed)).toMatchObject({ state: 'pending', ran: true })
    expect(observed(aged(1, { ranMs: 1 }), seen('running'))).toMatchObject({
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
        expect(observed(aged(ageMs + ranMs, { ranMs }), shown)).toMatchObject({
          state: isListed || ranMs >= limits.serverWaitMs ? 'running' : 'pending',
          ran: true,
          errorCode: null,
        })
      }),
    )
  })

  it('keeps the words of CloudDC about a failure', () => {
    const sighting = { ...seen('failed'), error: { code: 'iMetal.0300', message: 'boot failed' } }
    expect(observed(aged(1), sighting)).toMatchObject({
      errorCode: 'iMetal.0300',
      errorMessage: 'boot failed',
    })
  })
})

/** As the poll holds it afterwards. */
const memberAfter = (observation: Observation): PollMember => {
  const { member, seen } = observation
  return { ...member, seen, ...(beginsToWait(observation) ? { ranMs: ASKED_MS } : {}) }
}

describe('an observation', () => {
  const states = ['pending', 'running', 'failed', 'gone', 'busy'] as const
  const sightings = fc.oneof(
    fc.constant('not_found' as const),
    fc.record({
      state: fc.constantFrom(...states),
      serverId: fc.constantFrom(null, 's-1', 's-2'),
      imageId: fc.constantFrom(null, 'image'),
    }),
  )
  const shown = (what: typeof sightings extends fc.Arbitrary<infer What> ? What : never): Sighting =>
    what === 'not_found' ? what : { ...seen(what.state), ...what }

  it('that comes again says nothing new, unless it ends the instance', () => {
    fc.assert(
      fc.property(sightings, fc.nat(20_000), (what, ageMs) => {
        const first = observed(aged(ageMs), shown(what))
        const member = memberAfter(first)
        const again = observed(member, shown(what))
        expect(isNews(again)).toBe(again.state !== 'pending')
        if (first.state === 'pending') expect(memberAfter(again)).toEqual(member)
      }),
    )
  })

  it('that differs in anything shown is news', () => {
    fc.assert(
      fc.property(sightings, sightings, (one, other) => {
        const member = memberAfter(observed(aged(0), shown(one)))
        fc.pre(one !== 'not_found' && other !== 'not_found')
        const differs = JSON.stringify(shown(one)) !== JSON.stringify(shown(other))
        const again = observed(member, shown(other))
        expect(isNews(again)).toBe(differs || again.state !== 'pending')
      }),
    )
  })

  it('of one that is not found is none while it may be invisible', () => {
    expect(isNews(observed(aged(0), 'not_found'))).toBe(false)
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
