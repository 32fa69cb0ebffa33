import { meaningOf } from '../clouddc/refusal.ts'
import type { ProvisionSpec } from '../contracts/spec.ts'
import type { UncertainAttempt } from './claim-uncertain.sql.ts'
import { retryDelay } from './retry-delay.ts'
import type { SettleRow } from './settle-attempts.sql.ts'
import { dispatched, failedBeforeCreation, instancesOf, type OpenAttempt } from './settlement.ts'

/** This many settling times after a verdict, instances that turn up late are looked for once more. */
const AUDIT_AFTER = 2

export interface SettlementRules {
  settleMs: number
  maxAttempts: number
}

/** The record of an adoption: as if the 202 had arrived. Pure. */
export function adoptionOf(
  attempt: UncertainAttempt,
  { instanceIds, evidence }: { instanceIds: readonly string[]; evidence: unknown },
  { settleMs }: SettlementRules,
): SettleRow {
  const open = openAttempt(attempt)
  return {
    ...base(open, settleMs),
    to: 'adopted',
    errorCode: null,
    errorMessage: null,
    evidence,
    listingsWithout: null,
    requestState: 'provisioning',
    cause: 'adopted',
    failed: false,
    retryInMs: null,
    instances: instancesOf(open, instanceIds),
    events: [dispatched(open, [...instanceIds])],
  }
}

/**
 * The record of an attempt that created nothing: back into the queue, or the end when it was the last one. An attempt
 * that the gateway failed on, or that was redirected, is not counted: that is no fault of the order. Pure.
 */
export function voidOf(
  attempt: UncertainAttempt,
  { listingsWithout, evidence }: { listingsWithout: number; evidence: unknown },
  { settleMs, maxAttempts }: SettlementRules,
  random: () => number = Math.random,
): SettleRow {
  const open = openAttempt(attempt)
  const row = { ...base(open, settleMs), to: 'void' as const, evidence, listingsWithout, instances: [] }
  const counts = !wentAstray(attempt)
  if (attempt.attempts < maxAttempts || !counts) {
    return {
      ...row,
      refund: counts ? 0 : 1,
      errorCode: null,
      errorMessage: null,
      requestState: 'queued',
      cause: 'void',
      failed: false,
      retryInMs: retryDelay(attempt.attempts, random),
      events: [],
    }
  }
  const code = 'attempts_exhausted'
  const message = `none of ${attempt.attempts} attempts came to anything`
  return {
    ...row,
    errorCode: code,
    errorMessage: message,
    requestState: 'failed',
    cause: 'void',
    failed: true,
    retryInMs: null,
    events: [failedBeforeCreation(open, code, message)],
  }
}

function wentAstray({ httpStatus: status, errorCode: code }: UncertainAttempt): boolean {
  if (status === null) return false
  const meaning = meaningOf({ status, code })
  return meaning.done === 'unknown' && meaning.closes === 'misconfigured'
}

function base({ attemptId }: OpenAttempt, settleMs: number) {
  return {
    attemptId,
    replicaId: null,
    from: 'uncertain' as const,
    httpStatus: null,
    reconcileInMs: null,
    auditInMs: AUDIT_AFTER * settleMs,
    refund: 0 as const,
  }
}

function openAttempt(attempt: UncertainAttempt): OpenAttempt {
  const { name } = attempt.spec as ProvisionSpec
  return { ...attempt, replicaId: null, from: 'uncertain', instanceName: name }
}
