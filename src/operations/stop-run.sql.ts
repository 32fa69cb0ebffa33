import type { Sql } from '../database/database.ts'

/** Whoever carries the run out can record nothing more of it, and so ends. $1 run, $2 error. */
const TEXT = `
UPDATE operation_run
SET started_at = coalesce(started_at, clock_timestamp()), finished_at = clock_timestamp(), error = $2
WHERE id = $1::uuid AND finished_at IS NULL
RETURNING done AS "done"
`

/** Ends a run, in the transaction that `sql` belongs to. Returns how much it has done; null where none was in progress. */
export async function endRun(sql: Sql, id: string, error: string): Promise<number | null> {
  const [ended] = await sql.query<{ done: number }>(TEXT, id, error)
  return ended?.done ?? null
}
