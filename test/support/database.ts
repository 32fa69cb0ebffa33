import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { createDatabase } from '../../dev/servers/databases.ts'

export interface TestDatabase {
  readonly url: string
  /** Runs one statement, on connections of the test's own, and returns its rows. */
  query<Row>(text: string, values?: unknown[]): Promise<Row[]>
  /** Ends every connection to it and removes it. May be called more than once. */
  drop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * A migrated database that nobody else uses: `const database = await createTestDatabase()` at the top of a file
 * and `afterAll(database.drop)`, or `await using` within one test. `empty` leaves the migrations out.
 */
export async function createTestDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const { databaseUrl } = inject('servers')
  if (databaseUrl === undefined) throw new Error('this test run has no PostgreSQL')
  const template = inject('databasePrefix')
  const name = `${template}_${randomBytes(6).toString('hex')}`
  const database = await createDatabase(databaseUrl, empty ? { name } : { name, template })
  const pool = new pg.Pool({ connectionString: database.url, max: 2 })
  pool.on('error', () => undefined)
  let dropping: Promise<void> | undefined
  const drop = () => {
    dropping ??= pool.end().then(database.drop)
    return dropping
  }
  return {
    url: database.url,
    query: async <Row>(text: string, values?: unknown[]) => (await pool.query(text, values)).rows as Row[],
    drop,
    [Symbol.asyncDispose]: drop,
  }
}
