import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { AHEAD, CREATE_RESERVE_MS } from './pay.sql.ts'

/**
 * Tells tight buckets (pay.sql.ts), of projects and credentials, when calls were written: they fill again from then on, and
 * not only from the end of the reserve. A payment since makes the note void, and so does the note itself: it counts once.
 * Buckets are locked in project order, as everywhere, and credentials after them.
 *
 * $1 rows as JSON.
 */
const TEXT = `
WITH input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i("projectId" text, "credentialId" text, "payment" uuid, "lateMs" float8)
),
locked AS MATERIALIZED (
  SELECT b.project_id, b.refilled_at - make_interval(secs => (${CREATE_RESERVE_MS} - i."lateMs") / 1000) AS written_at
  FROM rate_bucket b
  JOIN input i ON i."projectId" = b.project_id AND i."payment" = b.payment
  WHERE i."lateMs" < ${CREATE_RESERVE_MS} AND b.capacity <= 1
  ORDER BY b.project_id
  FOR UPDATE OF b
),
locked_credentials AS MATERIALIZED (
  SELECT c.credential_id, c.refilled_at - make_interval(secs => (${CREATE_RESERVE_MS} - i."lateMs") / 1000) AS written_at
  FROM credential_bucket c
  JOIN input i ON i."credentialId" = c.credential_id AND i."payment" = c.payment
  -- Counted before the first is locked: the buckets of projects are locked by then.
  WHERE i."lateMs" < ${CREATE_RESERVE_MS} AND c.capacity <= 1 AND (SELECT count(*) FROM locked) >= 0
  ORDER BY c.credential_id
  FOR UPDATE OF c
),
told_credentials AS (
  UPDATE credential_bucket c
  SET
    refilled_at = l.written_at,
    payment = NULL,
    due_at = CASE
      WHEN c.due_at IS NULL OR c.blocked_until IS NOT NULL THEN c.due_at
      ELSE least(c.due_at, l.written_at + make_interval(secs => (1 - c.tokens) / c.refill_per_second) - ${AHEAD})
    END
  FROM locked_credentials l
  JOIN LATERAL (SELECT l.credential_id OFFSET 0) one_row_hint USING (credential_id)
  WHERE c.credential_id = l.credential_id
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
  credentialId: string
  /** UUID. The name of its payment. */
  payment: string
  /** From the token's time to the writing of the call, in milliseconds, at most. */
  lateMs: number
}

export async function noteWritten(sql: Sql, calls: readonly WrittenCall[]): Promise<void> {
  await sql.query(TEXT, toJson(calls))
}
