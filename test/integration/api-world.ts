import { pino } from 'pino'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { EXAMPLES } from '../../src/api/examples.ts'
import { createReads } from '../../src/api/reads.ts'
import { type ApiServer, createApiServer } from '../../src/api/server.ts'
import { createStatusWatcher, type StatusWatcher } from '../../src/api/status-watcher.ts'
import type { Database } from '../../src/database/database.ts'
import { createOperationsReads } from '../../src/operations/reads.ts'
import { addDatabaseFigures } from '../../src/telemetry/database-figures.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { NO_OPERATIONS } from '../support/operations-stub.ts'
import { clearTables, openTestDatabase } from '../support/store-database.ts'

export interface ApiWorld {
  database: Database
  api: ApiServer
  watcher: StatusWatcher
  get(path: string): Promise<{ status: number; body: unknown; text: string }>
}

/** The API over a database of the file's own, emptied after each test. */
export function useApi(): ApiWorld {
  const world = {} as ApiWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await openTestDatabase()
    const { database } = opened
    const logger = pino({ level: 'silent' })
    const metrics = createMetrics()
    const reads = createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) })
    const watcher = createStatusWatcher({ reads, logger, waiters: metrics.http.waiters })
    addDatabaseFigures({ metrics, database, logger })
    const checks = {
      database: async () => {
        await database.query('SELECT 1 AS one')
      },
    }
    const api = createApiServer({
      reads,
      cancel: async () => 'unknown',
      publicKeys: EXAMPLES.keySet,
      operations: { ...NO_OPERATIONS, reads: createOperationsReads({ database }) },
      checks,
      metrics,
      logger,
      watcher,
      host: '127.0.0.1',
      port: 0,
      drainMs: 0,
    })
    await api.start()
    close = opened.close
    const get = async (path: string) => {
      const reply = await fetch(api.url() + path)
      const text = await reply.text()
      const isJson = reply.headers.get('content-type')?.includes('json')
      return { status: reply.status, text, body: isJson ? (JSON.parse(text) as unknown) : null }
    }
    Object.assign(world, { database, api, watcher, get })
  })
  afterEach(() => clearTables(world.database))
  afterAll(async () => {
    await world.api.stop()
    await close()
  })
  return world
}
