import { pollOnGrid } from '../attempt/insert-polls.sql.ts'
import type { Sql } from '../database/database.ts'

/**
 * Gives polls another time, in case nobody has claimed them since: on the grid of their wait, and at the end of a time
 * limit at the latest. $1 ids, $2 milliseconds to wait, side by side.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
)
UPDATE poll p
SET due_at = least(${pollOnGrid('i.ms')}, greatest(p.limit_at, clock.ts))
FROM unnest($1::uuid[], $2::float8[]) AS i(id, ms)
JOIN LATERAL (SELECT i.id OFFSET 0) one_row_hint USING (id)
CROSS JOIN clock
WHERE p.id = i.id
`

export interface PollWait {
  id: string
  /** Milliseconds. */
  inMs: number
}

export async function reschedulePolls(sql: Sql, waits: readonly PollWait[]): Promise<void> {
  await sql.query(
    TEXT,
    waits.map(({ id }) => id),
    waits.map(({ inMs }) => inMs),
  )
}
