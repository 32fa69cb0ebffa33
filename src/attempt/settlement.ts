import {
  type EventSubject,
  type NewEvent,
  requestCompleted,
  requestDispatched,
  requestUncertain,
} from '../contracts/events.ts'
import type { Outcome } from './outcome.ts'
import { standAside } from './retry-delay.ts'
import type { SettleRow } from './settle-attempts.sql.ts'

/** An attempt whose outcome is to be recorded, and what its events and its fence need. */
export interface OpenAttempt extends EventSubject {
  attemptId: string
  attemptNumber: number
  replicaId: string | null
  from: 'in_flight' | 'uncertain'
  minCount: number
  maxCount: number
  instanceName: string | null
}

/** Milliseconds from an outcome to the reconciler's looks. */
export interface LookTimes {
  /** The first look for what a call of unknown outcome has made. */
  firstLookMs: number
  /** The audit of an answer that may have left instances out: CloudDC shows by then what it has made. */
  settleMs: number
}

/**
 * The record of an outcome: pure. Created: the instances' ids, in the transaction that handles the answer, and an audit
 * where it named fewer than it could. Refused: the end of the request. Nothing was done, through no fault of the
 * order: back into the queue, at no cost. Unknown: uncertain, and never sent again before it is reconciled.
 */
export function settlementOf(
  attempt: OpenAttempt,
  outcome: Outcome,
  { firstLookMs, settleMs }: LookTimes,
): SettleRow {
  const base = {
    attemptId: attempt.attemptId,
    replicaId: attempt.replicaId,
    from: attempt.from,
    httpStatus: outcome.httpStatus,
    ...(outcome.upstreamRequestId === undefined ? {} : { upstreamRequestId: outcome.upstreamRequestId }),
    reconcileInMs: null,
    auditInMs: null,
    listingsWithout: null,
    failed: false,
    refund: 0 as const,
    retryInMs: null,
    instances: [],
    events: [],
  }
  if (outcome.class === 'created') {
    return {
      ...base,
      to: 'created',
      errorCode: null,
      errorMessage: null,
      evidence: { http_status: outcome.httpStatus, instances: outcome.instanceIds.length },
      auditInMs: outcome.instanceIds.length < attempt.maxCount ? settleMs : null,
      requestState: 'provisioning',
      cause: 'created',
      instances: instancesOf(attempt, outcome.instanceIds),
      events: [dispatched(attempt, outcome.instanceIds)],
    }
  }
  const facts = {
    errorCode: outcome.code,
    errorMessage: outcome.message,
    evidence: { http_status: outcome.httpStatus, error_code: outcome.code, error_message: outcome.message },
  }
  if (outcome.class === 'unknown') {
    return {
      ...base,
      ...facts,
      evidence: outcome.named === undefined ? facts.evidence : { ...facts.evidence, named: outcome.named },
      to: 'uncertain',
      reconcileInMs: firstLookMs,
      requestState: 'uncertain',
      cause: outcome.reason,
      events: [requestUncertain(attempt, { attempt: attempt.attemptNumber, reason: outcome.reason })],
    }
  }
  if (outcome.reason === 'refused') {
    return {
      ...base,
      ...facts,
      to: 'not_created',
      requestState: 'failed',
      cause: 'refused',
      failed: true,
      events: [failedBeforeCreation(attempt, outcome.code, outcome.message)],
    }
  }
  const retryInMs = standAside(outcome.reason, attempt.attemptNumber)
  return {
    ...base,
    ...facts,
    to: 'not_created',
    requestState: 'queued',
    cause: outcome.reason,
    refund: 1,
    retryInMs,
  }
}

export function instancesOf(attempt: OpenAttempt, ids: readonly string[]): SettleRow['instances'] {
  return ids.map((id) => ({ id, name: attempt.instanceName }))
}

export function dispatched(attempt: OpenAttempt, instanceIds: string[]): NewEvent {
  return requestDispatched(attempt, { instanceIds, attempt: attempt.attemptNumber })
}

/** The completion of a request that ends before any of its instances exists. */
export function failedBeforeCreation(attempt: OpenAttempt, code: string, message: string): NewEvent {
  return requestCompleted(attempt, {
    state: 'failed',
    counts: { min: attempt.minCount, max: attempt.maxCount, created: 0, running: 0, failed: 0 },
    error: { code, message },
  })
}
