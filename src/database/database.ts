import { setTimeout as sleep } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import type { Logger } from 'pino'
import { classifyDatabaseError, type DatabaseErrorClass, isRetryable, sqlState } from './errors.ts'
import { PrismaClient } from './generated/client.ts'
import { createPool } from './pool.ts'
import type { Sql, ThroughPrisma } from './statement.ts'

export type { Sql, ThroughPrisma } from './statement.ts'

export interface Database extends Sql, ThroughPrisma {
  /** For typed queries. */
  readonly prisma: Prisma
  /**
   * Runs `work` in one READ COMMITTED transaction. Deadlocks and serialization failures are tried again, so
   * `work` must have no effect outside the transaction.
   */
  transaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>
  /** The same through Prisma, tried once. */
  prismaTransaction<Result>(work: (sql: Sql) => Promise<Result>): Promise<Result>
  /** Ends every connection, once the work on it has ended. May be called more than once. */
  close(): Promise<void>
}

type Prisma = ReturnType<typeof createPrisma>

export interface DatabaseOptions {
  url: string
  /** Connections of this replica. */
  poolSize: number
  logger: Logger
  /** Told of every statement or transaction that failed. */
  onError?: (error: DatabaseErrorClass) => void
  /** The longest a statement may run, in milliseconds. */
  statementTimeoutMs?: number
  /** How long an answer may be outstanding before the server is asked whether one can still come, in milliseconds. */
  silentMs?: number
}

/**
 * Postgres as the service uses it: one pool with two doors. Prisma is the one for whatever is not hot; the statements of
 * the hot loop go past it. See docs/decisions/0017.
 */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, poolSize, logger, onError = () => undefined } = options
  const { statementTimeoutMs = 10_000, silentMs = 1000 } = options
  const pool = createPool({ url, size: poolSize, statementTimeoutMs, silentMs, logger })

  // A named statement is parsed and planned once per connection. There are as many as constants in files *.sql.ts.
  const names = new Map<string, string>()
  const nameOf = (text: string): string => {
    const known = names.get(text)
    if (known !== undefined) return known
    const name = `s${names.size + 1}`
    names.set(text, name)
    return name
  }

  const run = async <Row>(on: pg.Pool | pg.PoolClient, text: string, values: unknown[]): Promise<Row[]> => {
    const { rows } = await on.query({ name: nameOf(text), text, values })
    return rows as Row[]
  }

  const counted = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work()
    } catch (error) {
      onError(classifyDatabaseError(error))
      throw error
    }
  }

  const prisma = createPrisma(pool, { counted, nameOf: (text) => names.get(text) })

  const through = (client: Pick<Prisma, '$queryRawUnsafe'>): Sql => ({
    // Async, since a promise of Prisma's begins only when somebody waits for it.
    query: async (text, ...values) => {
      nameOf(text)
      return client.$queryRawUnsafe(text, ...values)
    },
  })

  const transact = async <Result>(work: (sql: Sql) => Promise<Result>): Promise<Result> => {
    const connection = await pool.connect()
    let broken = true
    try {
      await connection.query('BEGIN')
      const result = await work({ query: (text, ...values) => run(connection, text, values) })
      await connection.query('COMMIT')
      broken = false
      return result
    } catch (error) {
      // A failure without an SQLSTATE is the connection's own, and there is nothing left to roll back on it.
      if (sqlState(error) !== undefined) {
        broken = await connection.query('ROLLBACK').then(
          () => false,
          () => true,
        )
      }
      throw error
    } finally {
      connection.release(broken)
    }
  }

  // Prisma lets go of what it has used, which may be nothing: the pool is closed here.
  let closing: Promise<void> | undefined
  const close = async () => {
    try {
      await prisma.$disconnect()
    } finally {
      await pool.end()
    }
  }

  return {
    prisma,
    query: (text, ...values) => counted(() => run(pool, text, values)),
    throughPrisma: through(prisma),
    prismaTransaction: (work) => prisma.$transaction((client) => work(through(client))),
    transaction: async (work) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await counted(() => transact(work))
        } catch (error) {
          if (tries >= 3 || !isRetryable(error, 'conflict')) throw error
          await sleep(5 + Math.random() * 20 * tries)
        }
      }
    },
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

/** The client on the same connections. What it makes up itself has no name and is planned each time: it may be anything. */
function createPrisma(
  pool: pg.Pool,
  {
    counted,
    nameOf,
  }: {
    counted: <Result>(work: () => Promise<Result>) => Promise<Result>
    nameOf: (text: string) => string | undefined
  },
) {
  const adapter = new PrismaPg(pool, { statementNameGenerator: ({ sql }) => nameOf(sql) ?? '' })
  // In the other formats an error quotes the source around it.
  return new PrismaClient({ adapter, errorFormat: 'minimal' }).$extends({
    query: { $allOperations: ({ args, query }) => counted(async () => query(args)) },
  })
}
