import type { Database, Sql } from '../database/database.ts'
import { once } from '../runtime/once.ts'
import type { CallLimits } from './call-limits.ts'
import { lockChanges, makeBuckets, removeEnded } from './limit-override.sql.ts'
import { syncBuckets } from './sync-buckets.sql.ts'
import { bucketLimit } from './token-bucket.ts'

/** Keeps the buckets at the limits in force: those that people have set until their end, else the configured ones. */
export interface LimitsInForce {
  /** Brings these projects' buckets to their limits, in the transaction of `sql`, which holds the lock of changes. */
  apply(sql: Sql, projectIds: readonly string[]): Promise<void>
  /** Called before each claim: the first time for all buckets, then whenever a limit has ended. */
  sync(): Promise<void>
  /** The next limit or pause ends in so many milliseconds; null where none does. */
  endsIn(ms: number | null): void
}

export function createLimitsInForce({
  database,
  limits,
  credentialOf,
  adaptive,
  now = () => performance.now(),
}: {
  database: Database
  limits: CallLimits
  /** The id of the credential that a project's calls are made with. */
  credentialOf: (projectId: string) => string
  /** Whether a 429 lowers the rate of its project. */
  adaptive: boolean
  now?: () => number
}): LimitsInForce {
  let endsAt = Number.POSITIVE_INFINITY
  const syncAll = once(() =>
    database.prismaTransaction(async (sql) => {
      await lockChanges(sql)
      await syncBuckets({ throughPrisma: sql }, limits.buckets, adaptive)
    }),
  )

  const apply = async (sql: Sql, projectIds: readonly string[]) => {
    const buckets = projectIds.map((projectId) => ({
      projectId,
      credentialId: credentialOf(projectId),
      ...bucketLimit(limits.of(projectId)),
    }))
    await makeBuckets(sql, buckets)
    await syncBuckets({ throughPrisma: sql }, limits.buckets, adaptive, projectIds)
  }

  return {
    apply,
    sync: async () => {
      await syncAll()
      if (now() < endsAt) return
      await database.prismaTransaction(async (sql) => {
        await lockChanges(sql)
        const ended = await removeEnded(sql)
        if (ended.length > 0) await apply(sql, ended)
      })
      endsAt = Number.POSITIVE_INFINITY
    },
    endsIn: (ms) => {
      endsAt = ms === null ? Number.POSITIVE_INFINITY : now() + ms
    },
  }
}
