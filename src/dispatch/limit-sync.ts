import type { Logger } from 'pino'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Database } from '../store/database.ts'
import { syncBuckets } from '../store/sql/sync-buckets.ts'
import { bucketLimit, type CallLimit } from './token-bucket.ts'

/**
 * Brings the buckets of known projects to the configured limits, once, as soon as the database lets it: of replicas
 * with different settings the one that started last has the word. New projects get theirs with their first request.
 */
export function createLimitSync({
  database,
  limit,
  overrides,
  logger,
}: {
  database: Database
  limit: CallLimit
  overrides: ReadonlyMap<string, CallLimit>
  logger: Logger
}): Loop {
  const rows = [...overrides].map(([projectId, other]) => ({ projectId, ...bucketLimit(other) }))
  return createLoop({
    name: 'limit sync',
    logger,
    idleMs: Number.MAX_SAFE_INTEGER,
    runOnce: async () => {
      await syncBuckets(database, bucketLimit(limit), rows)
      return { again: false }
    },
  })
}
