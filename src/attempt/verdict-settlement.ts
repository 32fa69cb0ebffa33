import { meaningOf } from '../clouddc/refusal.ts'
import type { OpenDoubt } from './open-doubt.ts'
import { retryDelay } from './retry-delay.ts'
import type { SettleRow } from './settle-attempts.sql.ts'
import { settling } from './settlement.ts'

/** This many settling times after a verdict, instances that turn up late are looked for once more. */
const AUDIT_AFTER = 2

export interface SettlementRules {
  settleMs: number
  maxAttempts: number
}

/** The record of an adoption: as if the 202 had arrived. Pure. */
export function adoptionOf(
  doubt: OpenDoubt,
  { instanceIds, evidence }: { instanceIds: readonly string[]; evidence: unknown },
  { settleMs }: SettlementRules,
): SettleRow {
  const { attempt } = doubt
  return {
    ...base(doubt, settleMs),
    to: 'provisioning',
    change: { cause: 'adopted', attempt, outcome: 'adopted', evidence, instances: instanceIds },
    refund: 0,
    retryInMs: null,
    instanceIds,
  }
}

/**
 * The record of an attempt that created nothing: back into the queue, or the end when it was the last one. An attempt
 * that the gateway failed on, or that was redirected, is not counted: that is no fault of the order. Pure.
 */
export function voidOf(
  doubt: OpenDoubt,
  { evidence }: { evidence: unknown },
  { settleMs, maxAttempts }: SettlementRules,
  random: () => number = Math.random,
): SettleRow {
  const { attempt, attempts } = doubt
  const row = { ...base(doubt, settleMs), instanceIds: [] }
  const change = { cause: 'void', attempt, outcome: 'void' as const, evidence }
  const counts = !wentAstray(doubt)
  if (attempts < maxAttempts || !counts) {
    return { ...row, to: 'queued', change, refund: counts ? 0 : 1, retryInMs: retryDelay(attempts, random) }
  }
  const error = { code: 'attempts_exhausted', message: `none of ${attempts} attempts came to anything` }
  return { ...row, to: 'failed', change: { ...change, error }, refund: 0, retryInMs: null }
}

function wentAstray({ httpStatus: status, errorCode: code }: OpenDoubt): boolean {
  if (status === null) return false
  const meaning = meaningOf({ status, code })
  return meaning.done === 'unknown' && meaning.closes === 'misconfigured'
}

function base(doubt: OpenDoubt, settleMs: number) {
  return { ...settling(doubt), look: { purpose: 'audit' as const, inMs: AUDIT_AFTER * settleMs } }
}
