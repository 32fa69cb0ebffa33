import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type OpenAttempt, settlementOf } from '../../src/attempt/settlement.ts'
import { unansweredOf } from '../../src/dispatch/unanswered-claims.ts'
import { rescueOf } from '../../src/reconcile/rescuer.ts'

const TIMES = { firstLookMs: 1000, settleMs: 60_000 }

const attempt: OpenAttempt = {
  id: '0198170e-4ca7-7ee4-89a7-fa631843920b',
  attempt: 2,
  from: 'dispatching',
  claimId: '0198170e-4ca7-7ee4-89a7-fa6318431111',
  minCount: 1,
  maxCount: 3,
  instanceName: 'web',
  seen: { version: 4, historyBytes: 500 },
}

const created: Outcome = { class: 'created', instanceIds: ['i-1', 'i-2'], httpStatus: 202 }

const notCreated = (
  reason: Extract<Outcome, { class: 'not_created' }>['reason'],
  httpStatus: number | null = 400,
): Outcome => ({
  class: 'not_created',
  reason,
  code: 'iMetal.0001',
  message: 'no',
  httpStatus,
  retryAfterMs: null,
})

const unknown: Outcome = {
  class: 'unknown',
  reason: 'server_error',
  code: 'http_502',
  message: 'Bad Gateway',
  httpStatus: 502,
}

describe('the record of an outcome', () => {
  test('keeps the fence of the attempt', () => {
    const { id, from, claimId, seen } = attempt
    for (const outcome of [created, unknown, notCreated('refused'), notCreated('throttled')]) {
      const row = settlementOf(attempt, outcome, TIMES)
      expect(row).toMatchObject({ id, attempt: 2, from, claimId, seen, change: { attempt: 2 } })
    }
  })

  test('of creation names the instances, and the number of the attempt', () => {
    const row = settlementOf(attempt, { ...created, upstreamRequestId: 'call-1' }, TIMES)
    expect(row).toMatchObject({ to: 'provisioning', refund: 0, retryInMs: null, instanceName: 'web' })
    expect(row.instanceIds).toEqual(['i-1', 'i-2'])
    expect(row.change).toEqual({
      cause: 'created',
      attempt: 2,
      outcome: 'created',
      upstreamRequestId: 'call-1',
      evidence: { http_status: 202, instances: 2 },
      instances: ['i-1', 'i-2'],
    })
  })

  test('of a refusal ends the request in the words of CloudDC', () => {
    const row = settlementOf(attempt, notCreated('refused', 409), TIMES)
    expect(row).toMatchObject({ to: 'failed', refund: 0, instanceIds: [], look: null })
    expect(row.change).toEqual({
      cause: 'refused',
      attempt: 2,
      outcome: 'not_created',
      evidence: { http_status: 409, error_code: 'iMetal.0001', error_message: 'no' },
      error: { code: 'iMetal.0001', message: 'no' },
    })
  })

  test.each(['throttled', 'unauthorized', 'unreachable', 'not_sent'] as const)(
    'of an attempt that was %s puts the request back at no cost',
    (reason) => {
      const row = settlementOf(attempt, notCreated(reason, null), TIMES)
      expect(row).toMatchObject({ to: 'queued', refund: 1, retryInMs: null, look: null })
      expect(row.change).toMatchObject({ cause: reason, outcome: 'not_created' })
      expect(row.change).not.toHaveProperty('error')
    },
  )

  test.each(['forbidden', 'misconfigured'] as const)(
    'of an attempt that was %s puts the request back at no cost, behind others for a while',
    (reason) => {
      const row = settlementOf(attempt, notCreated(reason, 403), TIMES)
      expect(row).toMatchObject({ to: 'queued', change: { cause: reason }, refund: 1 })
      expect(row.retryInMs).toBeGreaterThan(0)
    },
  )

  test('that is unknown sets the first look, and neither queues nor ends the request', () => {
    const row = settlementOf(attempt, unknown, TIMES)
    const look = { purpose: 'doubt', inMs: TIMES.firstLookMs }
    expect(row).toMatchObject({ to: 'uncertain', refund: 0, instanceIds: [], look })
    expect(row.change).toMatchObject({ cause: 'server_error', outcome: 'uncertain' })
    expect(row.change).not.toHaveProperty('error')
  })

  test('that is unknown although instances were named keeps their ids as evidence', () => {
    const outcome: Outcome = { ...unknown, reason: 'broken_promise', named: ['i-1'] }
    expect(settlementOf(attempt, outcome, TIMES)).toMatchObject({
      to: 'uncertain',
      change: { evidence: { http_status: 502, named: ['i-1'] } },
      instanceIds: [],
    })
  })

  test('of creation is audited after the settling time exactly when more could have been created', () => {
    expect(settlementOf(attempt, created, TIMES).look).toEqual({ purpose: 'audit', inMs: 60_000 })
    expect(settlementOf({ ...attempt, maxCount: 2 }, created, TIMES).look).toBeNull()
  })
})

test('the record of a claim that was not answered puts the request back at no cost', () => {
  expect(unansweredOf({ id: 'a', attempt: 3 }, 'claim')).toMatchObject({
    id: 'a',
    attempt: 3,
    from: 'dispatching',
    claimId: 'claim',
    to: 'queued',
    change: { cause: 'not_sent', attempt: 3, outcome: 'not_created' },
    refund: 1,
    look: null,
  })
})

test('the record of a take-over makes each attempt of the claim uncertain, and says whose it was', () => {
  const claim = { id: 'claim', replicaId: 'replica', ageMs: 12.4, overdue: false }
  const attempts = [
    { id: 'a', attempt: 1, projectId: 'p' },
    { id: 'b', attempt: 2, projectId: 'q' },
  ]
  const rows = rescueOf({ ...claim, attempts }, 700)
  expect(rows).toMatchObject([
    { id: 'a', change: { attempt: 1 } },
    { id: 'b', change: { attempt: 2 } },
  ])
  const evidence = { replica_id: 'replica', claimed_ms_before: 12 }
  for (const row of rows) {
    expect(row).toMatchObject({ from: 'dispatching', claimId: 'claim', to: 'uncertain', refund: 0 })
    expect(row).toMatchObject({ change: { cause: 'lease_expired', outcome: 'uncertain', evidence } })
    expect(row.look).toEqual({ purpose: 'doubt', inMs: 700 })
  }
  const [overdue] = rescueOf({ ...claim, attempts, overdue: true }, 700)
  expect(overdue?.change.cause).toBe('outcome_not_recorded')
})
