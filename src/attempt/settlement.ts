import type { Outcome } from './outcome.ts'
import { standAside } from './retry-delay.ts'
import type { SettleRow } from './settle-attempts.sql.ts'

/** The present attempt of a request, whose outcome is to be recorded; the fence of its record. */
export interface OpenAttempt {
  /** The request's row. */
  id: string
  attempt: number
  from: 'dispatching' | 'uncertain'
  claimId: string | null
  minCount: number
  maxCount: number
  instanceName: string | null
  /** Too few ready servers let it wait, instead of ending it. */
  waitsForReady?: boolean
  /** The request as the claim saw it. */
  seen?: { version: number; historyBytes: number }
}

/** An order that waits for servers, and was refused for want of them, is tried again after this, in milliseconds. */
const NOT_READY_MS = 30_000

/** Milliseconds from an outcome to the reconciler's looks. */
export interface LookTimes {
  /** The first look for what a call of unknown outcome has made. */
  firstLookMs: number
  /** The audit of an answer that may have left instances out: CloudDC shows by then what it has made. */
  settleMs: number
}

/**
 * The record of an outcome: pure. Created: the instances' ids, in the transaction that handles the answer, and an audit
 * where it named fewer than it could. Refused: the end of the request, unless it waits for servers. Nothing was done, through no fault of the
 * order: back into the queue, at no cost. Unknown: uncertain, and never sent again before it is reconciled.
 */
export function settlementOf(
  attempt: OpenAttempt,
  outcome: Outcome,
  { firstLookMs, settleMs }: LookTimes,
): SettleRow {
  const base = {
    ...settling(attempt),
    refund: 0 as const,
    retryInMs: null,
    instanceIds: [],
    look: null,
  }
  const told = {
    attempt: attempt.attempt,
    ...(outcome.upstreamRequestId === undefined ? {} : { upstreamRequestId: outcome.upstreamRequestId }),
  }
  if (outcome.class === 'created') {
    const { instanceIds: instances, httpStatus } = outcome
    const evidence = { http_status: httpStatus, instances: instances.length }
    return {
      ...base,
      to: 'provisioning',
      change: { cause: 'created', ...told, outcome: 'created', evidence, instances },
      instanceIds: instances,
      look: instances.length < attempt.maxCount ? { purpose: 'audit', inMs: settleMs } : null,
    }
  }
  const { code, message } = outcome
  const evidence = { http_status: outcome.httpStatus, error_code: code, error_message: message }
  if (outcome.class === 'unknown') {
    const named = outcome.named === undefined ? evidence : { ...evidence, named: outcome.named }
    return {
      ...base,
      to: 'uncertain',
      change: { cause: outcome.reason, ...told, outcome: 'uncertain', evidence: named },
      look: { purpose: 'doubt', inMs: firstLookMs },
    }
  }
  if (outcome.reason === 'refused' && attempt.waitsForReady === true && isForWantOfServers(code)) {
    return {
      ...base,
      to: 'queued',
      change: { cause: 'not_ready', ...told, outcome: 'not_created', evidence },
      refund: 1,
      retryInMs: NOT_READY_MS,
    }
  }
  if (outcome.reason === 'refused') {
    return {
      ...base,
      to: 'failed',
      change: { cause: 'refused', ...told, outcome: 'not_created', evidence, error: { code, message } },
    }
  }
  return {
    ...base,
    to: 'queued',
    change: { cause: outcome.reason, ...told, outcome: 'not_created', evidence },
    refund: 1,
    retryInMs: standAside(outcome.reason, attempt.attempt),
  }
}

/** Whether CloudDC refused an order because its servers were not ready, which may change. */
export function isForWantOfServers(code: string): boolean {
  return code.toLowerCase() === 'imetal.0101'
}

/** Which attempt a row settles. */
export function settling({ id, attempt, from, claimId, instanceName, seen }: OpenAttempt) {
  return { id, attempt, from, claimId, instanceName, ...(seen === undefined ? {} : { seen }) }
}
