import { describe, expect, test } from 'vitest'
import type { UncertainAttempt } from '../../src/attempt/claim-uncertain.sql.ts'
import { adoptionOf, voidOf } from '../../src/attempt/verdict-settlement.ts'
import { rescueOf } from '../../src/reconcile/rescuer.ts'
import { bodyOf } from '../support/seen-event.ts'

const RULES = { settleMs: 60_000, maxAttempts: 3 }

const attempt: UncertainAttempt = {
  attemptId: '0198170e-4ca7-7ee4-89a7-fa631843920b',
  attemptNumber: 4,
  claim: '2026-11-23 12:00:05+00',
  ageMs: 61_000,
  startedAt: new Date('2026-11-23T12:00:00Z'),
  uncertainAt: new Date('2026-11-23T12:00:01Z'),
  httpStatus: null,
  errorCode: null,
  evidence: null,
  listingsWithout: 2,
  projectId: 'p',
  requestId: 'r',
  attempts: 2,
  spec: { name: 'web' },
  minCount: 1,
  maxCount: 3,
  correlationId: 'c',
  traceparent: null,
  tracestate: null,
}

describe('an adoption', () => {
  test('is recorded as if the 202 had arrived, with a late look ahead', () => {
    const row = adoptionOf(attempt, { instanceIds: ['a', 'b'], evidence: { looks: 1 } }, RULES)
    expect(row).toMatchObject({
      attemptId: attempt.attemptId,
      replicaId: null,
      from: 'uncertain',
      to: 'adopted',
      requestState: 'provisioning',
      cause: 'adopted',
      auditInMs: 120_000,
      refund: 0,
      instances: [
        { id: 'a', name: 'web' },
        { id: 'b', name: 'web' },
      ],
    })
    expect(row.events).toHaveLength(1)
    expect(bodyOf(row.events[0])).toMatchObject({
      type: 'provisioner.request.dispatched',
      data: { project_id: 'p', request_id: 'r', instance_ids: ['a', 'b'], attempt: 4 },
    })
  })
})

describe('a void attempt', () => {
  test('puts the request back into the queue after a delay', () => {
    const row = voidOf(attempt, { listingsWithout: 2, evidence: null }, RULES, () => 1)
    expect(row).toMatchObject({
      to: 'void',
      requestState: 'queued',
      failed: false,
      refund: 0,
      retryInMs: 2000,
      events: [],
      auditInMs: 120_000,
    })
  })

  test.each([
    ['that the gateway gave up on', 500, 'APIGW.0611', 1],
    ['that was sent elsewhere', 302, 'http_302', 1],
    ['that CloudDC gave up on', 500, 'iMetal.0099', 0],
    ['that the gateway forwarded', 504, 'APIGW.0201', 0],
    ['without an answer', null, 'ECONNRESET', 0],
  ])('%s costs accordingly', (_, httpStatus, errorCode, refund) => {
    const last = { ...attempt, attempts: RULES.maxAttempts, httpStatus, errorCode }
    const row = voidOf(last, { listingsWithout: 2, evidence: null }, RULES)
    expect(row).toMatchObject({ to: 'void', refund, requestState: refund === 1 ? 'queued' : 'failed' })
  })

  test('ends the request when it was the last', () => {
    const row = voidOf({ ...attempt, attempts: 3 }, { listingsWithout: 2, evidence: null }, RULES)
    expect(row).toMatchObject({
      to: 'void',
      requestState: 'failed',
      failed: true,
      errorCode: 'attempts_exhausted',
      retryInMs: null,
    })
    expect(bodyOf(row.events[0])).toMatchObject({
      type: 'provisioner.request.completed',
      data: { state: 'failed', error: { code: 'attempts_exhausted' }, counts: { created: 0 } },
    })
  })
})

test.each([
  [false, 'lease_expired'],
  [true, 'outcome_not_recorded'],
])('a rescue (overdue %s) makes the attempt uncertain under the fence of its replica', (overdue, cause) => {
  const row = rescueOf({ ...attempt, replicaId: 'replica', overdue, ageMs: 31_000 }, 1000)
  expect(row).toMatchObject({
    replicaId: 'replica',
    from: 'in_flight',
    to: 'uncertain',
    requestState: 'uncertain',
    cause,
    reconcileInMs: 1000,
    instances: [],
  })
  expect(bodyOf(row.events[0])).toMatchObject({
    type: 'provisioner.request.uncertain',
    data: { attempt: 4, reason: cause },
  })
})
