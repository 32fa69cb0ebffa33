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

/** The connections to Postgres: every wait bounded, times in UTC. */
export function createPool({ url, size, statementTimeoutMs, logger }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
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
      '-c plan_cache_mode=force_generic_plan',
    ].join(' '),
  })
  const onLost = (error: Error) => logger.debug({ err: error }, 'database connection lost')
  // An error that nobody listens to ends the process: of an idle connection, and of one in the instant it is handed over.
  pool.on('error', onLost)
  pool.on('connect', (connection) => connection.on('error', onLost))
  return pool
}
