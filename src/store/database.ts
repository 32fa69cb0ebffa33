import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { Logger } from 'pino'
import { classifyDatabaseError, type DatabaseErrorClass, isRetryable } from './errors.ts'
import { PrismaClient } from './generated/client.ts'

/** Runs one statement. `text` is a constant of store/sql; `values` are bound, never interpolated. */
export interface Sql {
  query<Row>(text: string, ...values: unknown[]): Promise<Row[]>
}

export interface Database extends Sql {
  readonly prisma: PrismaClient
  /**
   * Runs `work` in one READ COMMITTED transaction. Deadlocks and serialization failures are tried again, so
   * `work` must have no effect outside the transaction.
   */
  transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

export interface DatabaseOptions {
  url: string
  /** Connections of this replica. */
  poolSize: number
  logger: Logger
  /** Told of every statement or transaction that failed. */
  onError?: (error: DatabaseErrorClass) => void
  /** The longest a statement may run, in milliseconds. */
  statementTimeoutMs?: number
}

/** Postgres as the service uses it: one pool behind one Prisma client, every wait bounded, times in UTC. */
export function createDatabase({
  url,
  poolSize,
  logger,
  onError = () => undefined,
  statementTimeoutMs = 15_000,
}: DatabaseOptions): Database {
  const statementNames = new Map<string, string>()
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000,
    // The client's own deadline, for a server that no longer answers at all.
    query_timeout: statementTimeoutMs + 5000,
    keepAlive: true,
    options: [
      '-c TimeZone=UTC',
      `-c statement_timeout=${statementTimeoutMs}`,
      '-c lock_timeout=10000',
      '-c idle_in_transaction_session_timeout=20000',
      // No claim gains from a parallel plan, and just-in-time compilation costs more than the statements do.
      '-c max_parallel_workers_per_gather=0',
      '-c jit=off',
    ].join(' '),
  })
  // Pool and adapter listen in turns, with a gap between them: a connection that ends in the instant it is handed
  // over would end the process. This listener is there for as long as the connection is.
  pool.on('connect', (connection) => {
    connection.on('error', (error) => logger.debug({ err: error }, 'database connection lost'))
  })
  const adapter = new PrismaPg(pool, {
    disposeExternalPool: true,
    // Named statements are parsed and planned once per connection; the empty name means none.
    statementNameGenerator: ({ sql }) => {
      const known = statementNames.get(sql)
      if (known !== undefined) return known
      if (statementNames.size >= 200) return ''
      const name = `s${statementNames.size + 1}`
      statementNames.set(sql, name)
      return name
    },
  })
  const prisma = new PrismaClient({ adapter, transactionOptions: { maxWait: 5000, timeout: 15_000 } })

  const counted = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    try {
      return await run()
    } catch (error) {
      onError(classifyDatabaseError(error))
      throw error
    }
  }

  return {
    prisma,
    query: (text, ...values) => counted(() => prisma.$queryRawUnsafe(text, ...values)),
    transaction: async (work) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await counted(() =>
            prisma.$transaction((tx) =>
              work({ query: (text, ...values) => tx.$queryRawUnsafe(text, ...values) }),
            ),
          )
        } catch (error) {
          if (tries >= 3 || !isRetryable(error, 'conflict')) throw error
          await sleep(5 + Math.random() * 20 * tries)
        }
      }
    },
    close: () => prisma.$disconnect(),
  }
}
