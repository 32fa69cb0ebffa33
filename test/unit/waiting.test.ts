import { describe, expect, test } from 'vitest'
import { REQUEST_STATES } from '../../src/request/provision-request.ts'
import { BLOCKED_REASONS, type WaitingFacts, waitingFor } from '../../src/request/waiting.ts'

const now = new Date('2026-11-23T12:00:00Z')
const later = new Date('2026-11-23T12:00:05Z')
const latest = new Date('2026-11-23T12:00:07Z')
const earlier = new Date('2026-11-23T11:59:55Z')

function waiting(facts: Partial<WaitingFacts>) {
  const none = { retryAt: null, held: false, heldFor: null, reconcileAt: null, bucket: null, pause: null }
  return waitingFor({ state: 'queued', ...none, now, ...facts })
}

const bucket = { blockedUntil: null, blockedReason: null, dueAt: null, preflightAt: null }

describe('a queued request', () => {
  test('waits for its retry time', () => {
    expect(waiting({ retryAt: later })).toEqual({ reason: 'retry', until: later, detail: null })
  })

  test('waits for a token, until the turn of its project', () => {
    expect(waiting({ bucket: { ...bucket, dueAt: later } })).toEqual({
      reason: 'rate_limit',
      until: later,
      detail: null,
    })
  })

  test.each(BLOCKED_REASONS)('of a bucket closed as %s waits for that', (reason) => {
    const closed = { blockedUntil: later, blockedReason: reason, dueAt: later, preflightAt: null }
    expect(waiting({ bucket: closed })).toEqual({ reason, until: later, detail: null })
    expect(waiting({ bucket: closed, retryAt: latest })).toEqual({ reason, until: latest, detail: null })
    expect(waiting({ bucket: closed, retryAt: earlier })).toEqual({ reason, until: later, detail: null })
  })

  test.each(BLOCKED_REASONS)('of a bucket closed as %s waits until a probe has got through', (reason) => {
    const probed = { blockedUntil: earlier, blockedReason: reason, dueAt: later, preflightAt: null }
    expect(waiting({ bucket: probed })).toEqual({ reason, until: now, detail: null })
  })

  test.each([
    ['no bucket', { bucket: null }],
    ['no turn', { bucket }],
    ['a turn that has come', { bucket: { ...bucket, dueAt: earlier } }],
  ])('with %s waits for a token from now on', (_case, facts) => {
    expect(waiting(facts)).toEqual({ reason: 'rate_limit', until: now, detail: null })
  })

  test('whose retry time has passed is about to be put back', () => {
    expect(waiting({ retryAt: earlier })).toEqual({ reason: 'retry', until: now, detail: null })
  })
})

describe('a request that is held back', () => {
  const held = { held: true, bucket: { ...bucket, dueAt: latest, preflightAt: later } }

  test('waits for a call, until the first reading of its servers', () => {
    expect(waiting(held)).toEqual({ reason: 'rate_limit', until: later, detail: null })
  })

  test('then for what that has found missing', () => {
    const heldFor = '1 server is ready, fewer than the 2 asked for'
    expect(waiting({ ...held, heldFor })).toEqual({ reason: 'capacity', until: later, detail: heldFor })
    const closed = { ...held.bucket, blockedReason: 'throttled', blockedUntil: latest }
    expect(waiting({ ...held, heldFor, bucket: closed })).toMatchObject({ reason: 'throttled' })
  })
})

describe('an uncertain request', () => {
  test('waits for the next look at what its attempt created', () => {
    expect(waiting({ state: 'uncertain', reconcileAt: later })).toEqual({
      reason: 'reconciling',
      until: later,
      detail: null,
    })
    expect(waiting({ state: 'uncertain', reconcileAt: null })).toEqual({
      reason: 'reconciling',
      until: now,
      detail: null,
    })
  })
})

test.each(REQUEST_STATES.filter((state) => state !== 'queued' && state !== 'uncertain'))(
  'a request that is %s waits for nothing',
  (state) => {
    expect(waiting({ state, bucket: { ...bucket, dueAt: later } })).toBeNull()
  },
)

test('a pause comes before all else, and an end that nobody has set is not known', () => {
  const paused = { reason: 'paused', detail: 'the project is paused: maintenance' }
  const pause = { until: later, detail: paused.detail }
  const closed = { ...bucket, blockedUntil: latest, blockedReason: 'throttled' }
  expect(waiting({ pause, bucket: closed, held: true })).toEqual({ ...paused, until: later })
  expect(waiting({ pause, retryAt: latest })).toEqual({ ...paused, until: latest })
  expect(waiting({ pause: { ...pause, until: null }, retryAt: latest })).toEqual({ ...paused, until: null })
  expect(waiting({ pause: { ...pause, until: earlier } })).toEqual({ ...paused, until: now })
  expect(waiting({ state: 'uncertain', pause, reconcileAt: later })?.reason).toBe('reconciling')
  expect(waiting({ state: 'provisioning', pause })).toBeNull()
})
