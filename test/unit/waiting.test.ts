import { describe, expect, test } from 'vitest'
import { REQUEST_STATES } from '../../src/domain/provision-request.ts'
import { type WaitingFacts, waitingFor } from '../../src/domain/waiting.ts'

const now = new Date('2026-11-23T12:00:00Z')
const later = new Date('2026-11-23T12:00:05Z')
const earlier = new Date('2026-11-23T11:59:55Z')

function waiting(facts: Partial<WaitingFacts>) {
  return waitingFor({ state: 'queued', retryAt: null, reconcileAt: null, bucket: null, now, ...facts })
}

const bucket = { blockedUntil: null, blockedReason: null, dueAt: null }

describe('a queued request', () => {
  test('waits for its retry time', () => {
    expect(waiting({ retryAt: later })).toEqual({ reason: 'retry', until: later })
  })

  test('waits for a token, until the turn of its project', () => {
    expect(waiting({ bucket: { ...bucket, dueAt: later } })).toEqual({ reason: 'rate_limit', until: later })
  })

  test.each([
    ['throttled', 'throttled'],
    ['upstream_unavailable', 'upstream_unavailable'],
    ['unauthorized', 'upstream_unavailable'],
  ])('of a bucket closed as %s waits for it as %s', (blockedReason, reason) => {
    expect(waiting({ bucket: { blockedUntil: later, blockedReason, dueAt: later } })).toEqual({
      reason,
      until: later,
    })
  })

  test('of a bucket whose block has passed waits for its turn', () => {
    const facts = { bucket: { blockedUntil: earlier, blockedReason: 'throttled', dueAt: later } }
    expect(waiting(facts)).toEqual({ reason: 'rate_limit', until: later })
  })

  test.each([
    ['no bucket', { bucket: null }],
    ['no turn', { bucket }],
    ['a turn that has come', { bucket: { ...bucket, dueAt: earlier } }],
  ])('with %s waits for a token from now on', (_case, facts) => {
    expect(waiting(facts)).toEqual({ reason: 'rate_limit', until: now })
  })

  test('whose retry time has passed is about to be put back', () => {
    expect(waiting({ retryAt: earlier })).toEqual({ reason: 'retry', until: now })
  })
})

describe('an uncertain request', () => {
  test('waits for the next look at what its attempt created', () => {
    expect(waiting({ state: 'uncertain', reconcileAt: later })).toEqual({
      reason: 'reconciling',
      until: later,
    })
    expect(waiting({ state: 'uncertain', reconcileAt: null })).toEqual({ reason: 'reconciling', until: now })
  })
})

test.each(REQUEST_STATES.filter((state) => state !== 'queued' && state !== 'uncertain'))(
  'a request that is %s waits for nothing',
  (state) => {
    expect(waiting({ state, bucket: { ...bucket, dueAt: later } })).toBeNull()
  },
)
