import type { World } from './world.ts'

export interface StatementCount {
  /** Executions of all statements of the database since `resetStatements`, the bench's own left out. */
  total: number
  /** By a word of their text. */
  claims: number
  settlements: number
  transactions: number
}

const OWN = '%bench own%'

/** Needs Bench.countStatements. */
export async function resetStatements(world: World): Promise<void> {
  await world.pool.query('/* bench own */ CREATE EXTENSION IF NOT EXISTS pg_stat_statements')
  await world.pool.query('/* bench own */ SELECT pg_stat_statements_reset()')
}

export async function readStatements(world: World): Promise<StatementCount> {
  const { rows } = await world.pool.query<StatementCount>(
    `/* bench own */
    SELECT
      coalesce(sum(calls), 0)::float8 AS total,
      coalesce(sum(calls) FILTER (WHERE query LIKE '%due_buckets%'), 0)::float8 AS claims,
      coalesce(sum(calls) FILTER (WHERE query LIKE '%settled_claims AS%'), 0)::float8 AS settlements,
      coalesce(sum(calls) FILTER (WHERE query ~* '^(begin|commit)'), 0)::float8 AS transactions
    FROM pg_stat_statements s
    JOIN pg_database d ON d.oid = s.dbid
    WHERE d.datname = current_database() AND query NOT LIKE $1`,
    [OWN],
  )
  return (
    rows[0] ?? { total: Number.NaN, claims: Number.NaN, settlements: Number.NaN, transactions: Number.NaN }
  )
}
