import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { AHEAD, CREATE_RESERVE_MS } from './pay.sql.ts'

/**
 * Tells tight buckets (pay.sql.ts) when calls were written: they fill again from then on, and not only from the end
 * of the reserve. A payment since makes the note void, and so does the note itself: it counts once. Buckets are locked in
 * project order, as everywhere.
 *
 * $1 rows as JSON.
 */
const TEXT = `
WITH input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i("projectId" text, "payment" uuid, "lateMs" float8)
),
locked AS MATERIALIZED (
  SELECT b.project_id, b.refilled_at - make_interval(secs => (${CREATE_RESERVE_MS} - i."lateMs") / 1000) AS written_at
  FROM rate_bucket b
  JOIN input i ON i."projectId" = b.project_id AND i."payment" = b.payment
  WHERE i."lateMs" < ${CREATE_RESERVE_MS}
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET
  refilled_at = l.written_at,
  payment = NULL,
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
  /** UUID. The name of its payment. */
  payment: string
  /** From the token's time to the writing of the call, in milliseconds, at most. */
  lateMs: number
}

export async function noteWritten(sql: Sql, calls: readonly WrittenCall[]): Promise<void> {
  await sql.query(TEXT, toJson(calls))
}
