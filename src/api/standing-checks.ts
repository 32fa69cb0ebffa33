import type { Database } from '../database/database.ts'
import { databaseWords } from '../database/errors.ts'
import { pendingMigrations } from '../database/migrate.ts'
import type { ReadinessCheck } from './readiness.ts'

/** What the service needs to work: database, broker and migrations. CloudDC does not count. */
export function standingChecks({
  database,
  brokerHealth,
}: {
  database: Database
  brokerHealth: () => { ok: true } | { ok: false; reason: string }
}): Record<'database' | 'broker' | 'migrations', ReadinessCheck> {
  return {
    database: async () => {
      await database.throughPrisma.query('SELECT 1').catch((error: unknown) => {
        throw new Error(databaseWords(error), { cause: error })
      })
    },
    broker: () => {
      const health = brokerHealth()
      if (!health.ok) throw new Error(health.reason)
    },
    migrations: async () => {
      const pending = await pendingMigrations(database)
      if (pending.length > 0) throw new Error(`not applied yet: ${pending.join(', ')}; run npm run migrate`)
    },
  }
}
