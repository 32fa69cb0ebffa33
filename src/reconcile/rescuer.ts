import type { Logger } from 'pino'
import { deleteGoneReplicas, findStranded, type StrandedAttempt } from '../attempt/rescue-attempts.sql.ts'
import { type SettleRow, settleAttempts } from '../attempt/settle-attempts.sql.ts'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { requestUncertain } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'

const INTERVAL_MS = 500
/** Short: a second rescuer does no harm, and the first must not be missed for long. */
const DUTY_LEASE_MS = 2500
const BATCH = 500
const OVERDUE_MS = 15 * 60_000

export interface RescuerOptions {
  database: Database
  replica: Replica
  /** From the rescue to the reconciler's first look. */
  firstLookMs: number
  firstPollMs: number
  /** In flight for so long means that the outcome was never recorded; well above CALL_TIMEOUT_MS. */
  overdueMs?: number
  metrics?: Pick<Metrics, 'reconcile'>
  logger: Logger
  /** Called after each commit. */
  onSettled: (rows: readonly SettleRow[]) => void
}

/**
 * Takes over what silent replicas left in flight. Whether such a call was made cannot be seen from here, so each of
 * them becomes uncertain and is reconciled. A replica that wakes up later finds its attempts settled: the fence of
 * settleAttempts drops what it brings.
 */
export function createRescuer(options: RescuerOptions): Loop {
  const { database, replica, firstLookMs, firstPollMs, metrics, logger, onSettled } = options
  const overdueMs = options.overdueMs ?? OVERDUE_MS

  const rescue = async (): Promise<number> => {
    const stranded = await findStranded(database, { overdueMs, limit: BATCH })
    if (stranded.length === 0) return 0
    const rows = stranded.map((attempt) => rescueOf(attempt, firstLookMs))
    const settled = await database.transaction(async (sql) => {
      const done = await settleAttempts(sql, rows, firstPollMs)
      // One of them may have been its project's probe, and the next one would be delayed.
      const projects = new Set(done.map((row) => row.projectId))
      await applyCallResults(
        sql,
        [...projects].map((projectId) => ({ projectId, effect: 'work', blockMs: null, reason: null })),
      )
      return done
    })
    if (settled.length > 0) {
      const replicas = new Set(stranded.map((attempt) => attempt.replicaId)).size
      logger.warn({ attempts: settled.length, replicas }, 'took over attempts of silent replicas')
      metrics?.reconcile.rescued.inc(settled.length)
      const ids = new Set(settled.map((row) => row.attemptId))
      onSettled(rows.filter((row) => ids.has(row.attemptId)))
    }
    return stranded.length
  }

  return createLoop({
    name: 'rescuer',
    logger,
    idleMs: INTERVAL_MS,
    runOnce: async () => {
      if (!(await replica.holdDuty('rescue', DUTY_LEASE_MS))) return { again: false }
      const rescued = await rescue()
      if (rescued >= BATCH) return { again: true }
      const gone = await deleteGoneReplicas(database)
      if (gone.length > 0) logger.info({ replicas: gone }, 'forgot replicas whose lease is over')
      return { again: false }
    },
  })
}

/** The record of a take-over: pure. */
export function rescueOf(attempt: StrandedAttempt, firstLookMs: number): SettleRow {
  const cause = attempt.overdue ? 'outcome_not_recorded' : 'lease_expired'
  return {
    attemptId: attempt.attemptId,
    replicaId: attempt.replicaId,
    from: 'in_flight',
    to: 'uncertain',
    httpStatus: null,
    errorCode: null,
    errorMessage: null,
    evidence: { replica_id: attempt.replicaId, claimed_ms_before: Math.round(attempt.ageMs) },
    reconcileInMs: firstLookMs,
    auditInMs: null,
    listingsWithout: null,
    requestState: 'uncertain',
    cause,
    failed: false,
    refund: 0,
    retryInMs: null,
    instances: [],
    events: [requestUncertain(attempt, { attempt: attempt.attemptNumber, reason: cause })],
  }
}
