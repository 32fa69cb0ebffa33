import pg from 'pg'
import type { Logger } from 'pino'

export interface PoolOptions {
  url: string
  /** Connections of this replica. */
  size: number
  /** The longest a statement may run, in milliseconds. */
  statementTimeoutMs: number
  logger: Logger
}

const CONNECT_TIMEOUT_MS = 5000

/** What holds on every connection. Times in milliseconds. */
export const SESSION_SETTINGS = {
  TimeZone: 'UTC',
  lock_timeout: 8000,
  // A process that is stopped in the middle of a transaction holds up others by its locks.
  idle_in_transaction_session_timeout: 5000,
  // No claim gains from a parallel plan, and just-in-time compilation costs more than the statements do.
  max_parallel_workers_per_gather: 0,
  jit: 'off',
  // One plan per statement and connection, one that holds whatever the tables grow to: every statement takes few rows
  // by an index. While a table is small other plans look as good, and would stay.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
} as const

/**
 * The connections to Postgres: every wait bounded, times in UTC. The settings are the first statement of each, since a
 * pooler refuses or forgets those that come with the greeting; a connection that does not take them is not used.
 */
export function createPool({ url, size, statementTimeoutMs, logger }: PoolOptions): pg.Pool {
  const settings = Object.entries({ ...SESSION_SETTINGS, statement_timeout: statementTimeoutMs })
  const setUp = {
    text: settings.map(([name, value]) => `SET ${name} = '${value}'`).join('; '),
    query_timeout: CONNECT_TIMEOUT_MS,
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    // The client's own deadline, for a server that no longer answers at all: a lease may hang on it.
    query_timeout: statementTimeoutMs + 2000,
    keepAlive: true,
    // The pool waits for it, and hands the connection out only when it has succeeded.
    onConnect: async (connection) => {
      await connection.query(setUp)
    },
  })
  const onLost = (error: Error) => logger.debug({ err: error }, 'database connection lost')
  // An error that nobody listens to ends the process: of an idle connection, and of one in the instant it is handed over.
  pool.on('error', onLost)
  pool.on('connect', (connection) => connection.on('error', onLost))
  return pool
}
