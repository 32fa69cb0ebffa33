import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { deleteIdleBuckets, markIdleBuckets } from './idle-buckets.sql.ts'
import { retireOperations } from './retire-operations.sql.ts'
import { deleteRetiredKeys, deleteRetiredRequests, keepKeys } from './retire-requests.sql.ts'

const BATCH = 500
/** Keys stored ahead of the deletion of their requests, at the most. */
const AHEAD = 10_000
/** Between batches, so that deleting leaves the disk to others; and when there is nothing to do. */
const PAUSE_MS = 250
const IDLE_MS = 60_000
const DUTY_LEASE_MS = 180_000
/** How long a bucket that nobody uses is kept. */
const IDLE_BUCKET_MS = 3_600_000
/** Four times the longest statement (database/database.ts). */
const KEPT_FOR_MS = 60_000

export interface RetentionOptions {
  database: Database
  replica: Replica
  /** How long ended requests are kept with their history. */
  retentionDays: number
  /** How long the key of an ended request is kept; not below `retentionDays`. */
  idempotencyDays: number
  batchSize?: number
  /** How long before its request is deleted a key is stored; longer than any statement runs. */
  keptForMs?: number
  idleMs?: number
  /** How long the bucket of a project that orders nothing is kept. */
  idleBucketMs?: number
  metrics?: Pick<Metrics, 'replica'>
  logger: Logger
}

/**
 * Deletes what ended long ago, in small batches: first the idempotency keys are stored apart, a while later the
 * requests are deleted with their instances and history, and much later the keys. The index of dead letters is kept as long
 * as requests, the audit and runs as long as keys, what replicas did a day. The bucket of a project that orders nothing goes after an hour. Passwords are not its
 * concern: they leave the row with the change of state after which no attempt can need them.
 */
export function createRetention(options: RetentionOptions): Loop {
  const { database, replica, retentionDays, idempotencyDays, metrics, logger } = options
  const limit = options.batchSize ?? BATCH
  const keptForMs = options.keptForMs ?? KEPT_FOR_MS
  const idleMs = options.idleMs ?? IDLE_MS
  const idleBucketMs = options.idleBucketMs ?? IDLE_BUCKET_MS

  return createLoop({
    name: 'retention',
    logger,
    idleMs,
    runOnce: async () => {
      if (!(await replica.holdDuty('retention', DUTY_LEASE_MS))) return { again: false }
      const retired = await deleteRetiredRequests(database, {
        olderThanDays: retentionDays,
        limit,
        keptForMs,
        ahead: AHEAD,
      })
      const kept = await keepKeys(database, { olderThanDays: retentionDays, limit, ahead: AHEAD })
      const forgotten = await deleteRetiredKeys(database, { olderThanDays: idempotencyDays, limit })
      const operations = await retireOperations(database, {
        letterDays: retentionDays,
        auditDays: idempotencyDays,
        limit,
      })
      const buckets = await deleteIdleBuckets(database, { idleMs: idleBucketMs, limit, keptForMs })
      const marked = await markIdleBuckets(database, { idleMs: idleBucketMs, limit })
      metrics?.replica.maintained.inc({ duty: 'retire_requests' }, retired)
      metrics?.replica.maintained.inc({ duty: 'forget_keys' }, forgotten)
      metrics?.replica.maintained.inc({ duty: 'forget_buckets' }, buckets)
      if (retired + forgotten > 0) logger.info({ requests: retired, keys: forgotten }, 'deleted old history')
      return Math.max(retired, kept, forgotten, buckets, marked, ...Object.values(operations)) >= limit
        ? { again: false, waitMs: PAUSE_MS }
        : { again: false }
    },
  })
}
