import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type OpenAttempt, settlementOf } from '../../src/attempt/settlement.ts'
import { endingOf } from '../../src/dispatch/sweeper.ts'
import { unansweredOf } from '../../src/dispatch/unanswered-claims.ts'
import { bodyOf } from '../support/seen-event.ts'

const TIMES = { firstLookMs: 1000, settleMs: 60_000 }

const attempt: OpenAttempt = {
  attemptId: '0198170e-4ca7-7ee4-89a7-fa631843920b',
  attemptNumber: 2,
  replicaId: '0198170e-4ca7-7ee4-89a7-fa6318431111',
  from: 'in_flight',
  projectId: 'p',
  requestId: 'r',
  correlationId: 'desk-1',
  traceparent: null,
  tracestate: null,
  minCount: 1,
  maxCount: 3,
  instanceName: 'web',
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

const eventsOf = ({ events }: ReturnType<typeof settlementOf>) =>
  events.map((event) => {
    const { type, data } = bodyOf(event)
    return { type, data, correlationId: event.correlationId }
  })

describe('the record of an outcome', () => {
  test('keeps the fence of the attempt', () => {
    for (const outcome of [created, unknown, notCreated('refused'), notCreated('throttled')]) {
      expect(settlementOf(attempt, outcome, TIMES)).toMatchObject({
        attemptId: attempt.attemptId,
        replicaId: attempt.replicaId,
        from: 'in_flight',
      })
    }
  })

  test('of creation names the instances, and the number of the attempt', () => {
    const row = settlementOf(attempt, created, TIMES)
    expect(row).toMatchObject({
      to: 'created',
      requestState: 'provisioning',
      cause: 'created',
      httpStatus: 202,
      failed: false,
      refund: 0,
      instances: [
        { id: 'i-1', name: 'web' },
        { id: 'i-2', name: 'web' },
      ],
      reconcileInMs: null,
      retryInMs: null,
    })
    expect(eventsOf(row)).toEqual([
      {
        type: 'provisioner.request.dispatched',
        data: { project_id: 'p', request_id: 'r', instance_ids: ['i-1', 'i-2'], attempt: 2 },
        correlationId: 'desk-1',
      },
    ])
  })

  test('of a refusal ends the request in the words of CloudDC', () => {
    const row = settlementOf(attempt, notCreated('refused', 409), TIMES)
    expect(row).toMatchObject({
      to: 'not_created',
      requestState: 'failed',
      failed: true,
      refund: 0,
      errorCode: 'iMetal.0001',
      errorMessage: 'no',
      httpStatus: 409,
      evidence: { http_status: 409, error_code: 'iMetal.0001', error_message: 'no' },
    })
    expect(eventsOf(row)).toMatchObject([
      {
        type: 'provisioner.request.completed',
        data: {
          state: 'failed',
          counts: { min: 1, max: 3, created: 0, running: 0, failed: 0 },
          error: { code: 'iMetal.0001', message: 'no', at: expect.stringMatching(/\.\d{3}Z$/) },
        },
      },
    ])
  })

  test.each(['throttled', 'unauthorized', 'unreachable', 'not_sent'] as const)(
    'of an attempt that was %s puts the request back at no cost, without an event',
    (reason) => {
      expect(settlementOf(attempt, notCreated(reason, null), TIMES)).toMatchObject({
        to: 'not_created',
        requestState: 'queued',
        cause: reason,
        failed: false,
        refund: 1,
        retryInMs: null,
        events: [],
      })
    },
  )

  test.each(['forbidden', 'misconfigured'] as const)(
    'of an attempt that was %s puts the request back at no cost, behind others for a while',
    (reason) => {
      const row = settlementOf(attempt, notCreated(reason, 403), TIMES)
      expect(row).toMatchObject({
        requestState: 'queued',
        cause: reason,
        failed: false,
        refund: 1,
        events: [],
      })
      expect(row.retryInMs).toBeGreaterThan(0)
    },
  )

  test('that is unknown sets the first look, and neither queues nor ends the request', () => {
    const row = settlementOf(attempt, unknown, TIMES)
    expect(row).toMatchObject({
      to: 'uncertain',
      requestState: 'uncertain',
      cause: 'server_error',
      reconcileInMs: TIMES.firstLookMs,
      auditInMs: null,
      failed: false,
      refund: 0,
      instances: [],
    })
    expect(eventsOf(row)).toMatchObject([
      { type: 'provisioner.request.uncertain', data: { attempt: 2, reason: 'server_error' } },
    ])
  })

  test('that is unknown although instances were named keeps their ids as evidence', () => {
    const outcome: Outcome = { ...unknown, reason: 'broken_promise', named: ['i-1'] }
    expect(settlementOf(attempt, outcome, TIMES)).toMatchObject({
      to: 'uncertain',
      evidence: { http_status: 502, named: ['i-1'] },
      instances: [],
    })
  })

  test('of creation is audited after the settling time exactly when more could have been created', () => {
    expect(settlementOf(attempt, created, TIMES).auditInMs).toBe(60_000)
    expect(settlementOf({ ...attempt, maxCount: 2 }, created, TIMES).auditInMs).toBeNull()
  })
})

test('the record of a claim that was not answered puts the request back at no cost', () => {
  expect(unansweredOf('a', 'r')).toMatchObject({
    attemptId: 'a',
    replicaId: 'r',
    from: 'in_flight',
    to: 'not_created',
    requestState: 'queued',
    refund: 1,
    failed: false,
    events: [],
  })
})

test('the record of a deadline ends the request as expired', () => {
  const row = endingOf({
    ...attempt,
    id: attempt.attemptId,
    state: 'queued',
    createdCount: 0,
    runningCount: 0,
    failedCount: 0,
  })
  expect(row).toMatchObject({ from: 'queued', to: 'expired', errorCode: 'deadline_passed' })
  expect(bodyOf(row.events[0])).toMatchObject({
    type: 'provisioner.request.completed',
    data: { state: 'expired', error: { code: 'deadline_passed' } },
  })
})
