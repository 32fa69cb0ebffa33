import type { Logger } from 'pino'
import { deleteGoneReplicas, findStranded, type StrandedClaim } from '../attempt/rescue-claims.sql.ts'
import {
  NO_POLLS,
  type SettledAttempt,
  type SettleRow,
  settleAttempts,
} from '../attempt/settle-attempts.sql.ts'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import type { Database } from '../database/database.ts'
import { ASK_MS, createHeldDuty } from '../replica/held-duty.ts'
import { nextLeaseEndMs } from '../replica/leases.sql.ts'
import type { Replica } from '../replica/replica.ts'
import { asIfAlone, createLoop, type IdleMs, type SharedLoop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** How soon an early end of a lease is noticed, where replicas do not hear each other. */
const IDLE_MS = 500
/** How often claims are looked for although no lease has run out: their outcomes may not have been recorded. */
const OVERDUE_EVERY_MS = 10_000
const CLAIMS_AT_ONCE = 20
/** An attempt in flight for so long under a living replica will never be recorded. */
export const OVERDUE_MS = 15 * 60_000

export interface RescuerOptions {
  database: Database
  replica: Replica
  /** From the rescue to the reconciler's first look. */
  firstLookMs: number
  /** A claim this old means that an outcome was never recorded; well above CALL_TIMEOUT_MS. */
  overdueMs?: number
  metrics?: Pick<Metrics, 'reconcile'>
  logger: Logger
  /** Called after each commit. */
  onSettled: (settled: readonly SettledAttempt[]) => void
  idleMs?: IdleMs
}

/**
 * Takes over what silent replicas left in flight. Whether such a call was made cannot be seen from here, so each of
 * them becomes uncertain and is reconciled. A replica that wakes up later finds its claims gone: the fence of
 * settleAttempts drops what it brings.
 */
export function createRescuer(options: RescuerOptions): SharedLoop {
  const { database, replica, logger, idleMs = asIfAlone } = options
  const duty = createHeldDuty({ replica, duty: 'rescue' })
  let lookedAt = Number.NEGATIVE_INFINITY
  const loop = createLoop({
    name: 'rescuer',
    logger,
    idleMs: () => idleMs(IDLE_MS),
    runOnce: async () => {
      if (!(await duty.take())) return { again: false, waitMs: ASK_MS }
      const endsInMs = await nextLeaseEndMs(database, replica.id())
      if (endsInMs > 0 && performance.now() - lookedAt < OVERDUE_EVERY_MS)
        return { again: false, waitMs: endsInMs }
      lookedAt = performance.now()
      if ((await rescue(options)) >= CLAIMS_AT_ONCE) return { again: true }
      const gone = await deleteGoneReplicas(database)
      if (gone.length > 0) logger.info({ replicas: gone }, 'forgot replicas whose lease is over')
      return { again: false, waitMs: IDLE_MS }
    },
  })
  return { ...loop, serves: duty.isHeld }
}

/** Returns how many claims were taken over. */
async function rescue(options: RescuerOptions): Promise<number> {
  const { database, firstLookMs, overdueMs = OVERDUE_MS, metrics, logger, onSettled } = options
  const stranded = await findStranded(database, { overdueMs, limit: CLAIMS_AT_ONCE })
  if (stranded.length === 0) return 0
  const rows = stranded.flatMap((claim) => rescueOf(claim, firstLookMs))
  const claimIds = stranded.map(({ id }) => id)
  const settled = await database.transaction(async (sql) => {
    const done = await settleAttempts(sql, rows, NO_POLLS, claimIds)
    // One of them may have been its project's probe, and the next one would be delayed.
    const projects = new Set(done.map((row) => row.projectId))
    await applyCallResults(
      sql,
      [...projects].map((projectId) => ({ projectId, effect: 'work', blockMs: null, reason: null })),
    )
    return done
  })
  if (settled.length > 0) {
    const replicas = new Set(stranded.map(({ replicaId }) => replicaId)).size
    logger.warn({ attempts: settled.length, replicas }, 'took over attempts of silent replicas')
    metrics?.reconcile.rescued.inc(settled.length)
    onSettled(settled)
  }
  return stranded.length
}

/** The records of a take-over: pure. */
export function rescueOf(
  { id: claimId, replicaId, ageMs, overdue, attempts }: StrandedClaim,
  firstLookMs: number,
): SettleRow[] {
  const cause = overdue ? 'outcome_not_recorded' : 'lease_expired'
  const evidence = { replica_id: replicaId, claimed_ms_before: Math.round(ageMs) }
  return attempts.map(({ id, attempt }) => ({
    id,
    attempt,
    from: 'dispatching',
    claimId,
    to: 'uncertain',
    change: { cause, attempt, outcome: 'uncertain', evidence },
    refund: 0,
    retryInMs: null,
    instanceIds: [],
    instanceName: null,
    look: { purpose: 'doubt', inMs: firstLookMs },
  }))
}
