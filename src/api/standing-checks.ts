import type { Database } from '../database/database.ts'
import { databaseWords } from '../database/errors.ts'
import { pendingMigrations } from '../database/migrate.ts'
import { findMissingRights, type NeededRights } from '../database/missing-rights.sql.ts'
import type { ReadinessCheck } from './readiness.ts'

/** What the service needs to work: database with rights, broker and migrations. CloudDC does not count. */
export function standingChecks({
  database,
  neededRights,
  brokerHealth,
}: {
  database: Database
  neededRights: NeededRights
  brokerHealth: () => { ok: true } | { ok: false; reason: string }
}): Record<'database' | 'broker' | 'migrations', ReadinessCheck> {
  return {
    database: async () => {
      const missing = await findMissingRights(database, neededRights).catch((error: unknown) => {
        throw new Error(databaseWords(error), { cause: error })
      })
      if (missing.length > 0)
        throw new Error(`the role lacks ${missing.join('; ')}; run npm run migrate -- --grant <role>`)
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
