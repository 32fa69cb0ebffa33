import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { AHEAD, CREATE_RESERVE_MS } from './bucket-level.sql.ts'

/**
 * Tells tight buckets (bucket-level) when calls were written: they fill again from then on, and not only from the end
 * of the reserve. What the bucket has given out since, or taken back, makes the note void. Buckets are locked in
 * project order, as everywhere.
 *
 * $1 rows as JSON.
 */
const TEXT = `
WITH input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i("projectId" text, "reservedUntil" timestamptz, "lateMs" float8)
),
locked AS MATERIALIZED (
  SELECT b.project_id, i."reservedUntil" - make_interval(secs => (${CREATE_RESERVE_MS} - i."lateMs") / 1000) AS written_at
  FROM rate_bucket b
  JOIN input i ON i."projectId" = b.project_id AND i."reservedUntil" = b.refilled_at
  WHERE i."lateMs" < ${CREATE_RESERVE_MS}
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET
  refilled_at = l.written_at,
  due_at = CASE
    WHEN b.due_at IS NULL OR b.blocked_until IS NOT NULL THEN b.due_at
    ELSE least(b.due_at, l.written_at
      + make_interval(secs => (1 - b.tokens) / (b.refill_per_second * b.rate_factor)) - ${AHEAD})
  END
FROM locked l
JOIN LATERAL (SELECT l.project_id OFFSET 0) one_row_hint USING (project_id)
WHERE b.project_id = l.project_id
`

export interface WrittenCall {
  projectId: string
  /** As the claim has given it. */
  reservedUntil: string
  /** From the token's time to the writing of the call, in milliseconds, at most. */
  lateMs: number
}

export async function noteWritten(sql: Sql, calls: readonly WrittenCall[]): Promise<void> {
  await sql.query(TEXT, toJson(calls))
}
