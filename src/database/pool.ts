import pg from 'pg'
import type { Logger } from 'pino'
import { type Backend, endBackends, findLostBackends, THIS_BACKEND } from './backends.sql.ts'
import { parseDatabaseUrl, type ServerAddress } from './server-address.ts'
import { createSilenceWatch, type SilenceWatch } from './silence-watch.ts'
import type { Sql } from './statement.ts'

export interface PoolOptions {
  url: string
  /** Connections of this replica. */
  size: number
  /** The longest a statement may run, in milliseconds. */
  statementTimeoutMs: number
  /** How long an answer may be out before the server is asked whether one can come, in milliseconds. */
  silentMs: number
  logger: Logger
}

/** The longest a connection may take to be opened, and then to take its settings. */
const CONNECT_TIMEOUT_MS = 3000
/** The longest a statement waits for one of the connections to be free. */
const POOL_WAIT_MS = 5000

/** The longest each step may take that looks into the silence of others. */
const APART_TIMEOUT_MS = 1500

/** What holds on every connection. Times in milliseconds. */
export const SESSION_SETTINGS = {
  TimeZone: 'UTC',
  lock_timeout: 8000,
  // A process stopped in the middle of a transaction blocks others with its locks.
  idle_in_transaction_session_timeout: 5000,
  // No claim gains from a parallel plan, and just-in-time compilation costs more than the statements do.
  max_parallel_workers_per_gather: 0,
  jit: 'off',
  // One plan per statement and connection, one that holds whatever the tables grow to: every statement takes few rows
  // by an index. While a table is small other plans look as good, and would be kept.
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
} as const

/**
 * The connections to Postgres: every wait bounded, times in UTC. The settings are the first statement of each, since a
 * pooler refuses or forgets those that come with the greeting; a connection that does not take them is not used.
 */
export function createPool({ url, size, statementTimeoutMs, silentMs, logger }: PoolOptions): pg.Pool {
  const address = parseDatabaseUrl(url)
  const settings = Object.entries({ ...SESSION_SETTINGS, statement_timeout: statementTimeoutMs })
  const setUp = {
    text: [...settings.map(([name, value]) => `SET ${name} = '${value}'`), THIS_BACKEND].join('; '),
    query_timeout: CONNECT_TIMEOUT_MS,
  }
  const silence = createSilenceWatch({
    silentMs,
    server: {
      findLost: (backends) => apart(address, (sql) => findLostBackends(sql, backends, silentMs / 2)),
      end: (backends) => apart(address, (sql) => endBackends(sql, backends)),
    },
    logger,
  })
  const pool = new pg.Pool({
    ...address,
    max: size,
    connectionTimeoutMillis: POOL_WAIT_MS,
    Client: Connection,
    idleTimeoutMillis: 30_000,
    // The client's own deadline, where the server cannot even be asked: a lease may hang on it.
    query_timeout: statementTimeoutMs + 2000,
    keepAlive: true,
    // The pool waits for it, and hands the connection out only when it has succeeded.
    onConnect: async (connection) => {
      const results: unknown = await connection.query(setUp)
      const [backend] = (results as pg.QueryResult<Backend>[]).at(-1)?.rows ?? []
      if (backend === undefined) throw new Error('the server does not know its own connection')
      watchForSilence(silence, connection, backend)
    },
  })
  const onLost = (error: Error) => logger.debug({ err: error }, 'database connection lost')
  // An error without a listener ends the process: on an idle connection, and on one just being handed over.
  pool.on('error', onLost)
  pool.on('connect', (connection) => connection.on('error', onLost))
  return pool
}

/** The pool has one limit for both: waiting for a connection, and opening one. */
class Connection extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super({ ...config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  }
}

/** Tells the watch of everything that is sent on the connection, by whomever. */
function watchForSilence(silence: SilenceWatch, connection: pg.ClientBase, backend: Backend): void {
  const { stream } = (connection as unknown as { connection: pg.Connection }).connection
  const watched = silence.watch(backend, (error) => stream.destroy(error))
  const send = connection.query.bind(connection) as (...args: unknown[]) => unknown
  connection.query = ((...args: unknown[]) => {
    watched.asked()
    return send(...args)
  }) as typeof connection.query
  connection.on('drain', watched.answered)
  connection.once('end', watched.ended)
}

/** Works on a connection of its own, since those of the pool may all be silent. */
async function apart<Result>(address: ServerAddress, work: (sql: Sql) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({
    ...address,
    connectionTimeoutMillis: APART_TIMEOUT_MS,
    query_timeout: APART_TIMEOUT_MS,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const query = async <Row>(text: string, ...values: unknown[]) =>
      (await client.query(text, values)).rows as Row[]
    return await work({ query })
  } finally {
    void client.end()
  }
}
