import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { BlockedReason } from '../request/waiting.ts'
import { slowedFactor } from './adaptive-rate.sql.ts'
import { closedMs } from './many-closed.sql.ts'
import { refundTo } from './pay.sql.ts'

/**
 * Applies call results to the buckets: `clear` ends a block and forgets trouble, `trouble` counts one more and,
 * with a block time, closes the bucket for all replicas, `work` says that something is queued again. `served` is what a
 * good reading call says: it ends trouble that is over for projects that create nothing now. Where something is queued,
 * creating finds out for itself, because CloudDC may limit its calls by kind. `refund` only gives tokens back.
 *
 * The token of a call that was not made goes back and can be spent at once, as if it had never been taken: at a low rate
 * the next one may be an hour away. But only while nothing was paid from the bucket since
 * (pay.sql.ts).
 *
 * Calls that fail while the bucket is closed already are the same trouble and do not count again. One that succeeds
 * then was sent before: it shows that CloudDC is there, but not that it takes more calls, or the token, again.
 * Buckets are locked in project order, as everywhere.
 *
 * $1 rows as JSON.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i("projectId" text, "effect" text, "blockMs" float8, "reason" text, "slowDown" float8, "refunds" json)
),
locked AS MATERIALIZED (
  SELECT b.project_id, state.open,
    CASE i."effect"
      WHEN 'clear' THEN state.open OR b.blocked_reason = 'upstream_unavailable'
      WHEN 'served' THEN state.open AND b.due_at IS NULL AND b.blocked_reason <> 'upstream_unavailable'
      ELSE false
    END AS clears,
    ${closedMs('b')} AS closed_ms,
    ${refundTo('b')} AS refund
  FROM rate_bucket b
  JOIN input i ON i."projectId" = b.project_id
  CROSS JOIN clock
  CROSS JOIN LATERAL (SELECT b.blocked_until IS NULL OR b.blocked_until <= clock.ts AS open) state
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET
  tokens = least(b.capacity, b.tokens + l.refund),
  troubles = CASE
    WHEN l.clears THEN 0
    WHEN i."effect" = 'trouble' THEN b.troubles + l.open::int
    ELSE b.troubles
  END,
  rate_factor = ${slowedFactor('l.open')},
  blocked_until = CASE
    WHEN l.clears THEN NULL
    WHEN l.closed_ms IS NOT NULL THEN greatest(b.blocked_until, clock.ts + make_interval(secs => l.closed_ms / 1000))
    ELSE b.blocked_until
  END,
  blocked_reason = CASE
    WHEN l.clears THEN NULL
    WHEN l.closed_ms IS NOT NULL THEN i."reason"
    ELSE b.blocked_reason
  END,
  due_at = CASE
    WHEN i."effect" = 'clear' AND l.clears THEN clock.ts
    WHEN l.closed_ms IS NOT NULL THEN greatest(b.blocked_until, clock.ts + make_interval(secs => l.closed_ms / 1000))
    WHEN i."effect" IN ('served', 'refund')
    THEN CASE WHEN l.refund > 0 AND b.blocked_until IS NULL AND b.due_at > clock.ts THEN clock.ts ELSE b.due_at END
    -- Also without a refund: a probe that came back without a call has put the next one off for long.
    WHEN l.open AND (i."effect" = 'work' OR l.refund > 0) THEN least(b.due_at, clock.ts)
    ELSE coalesce(b.due_at, clock.ts)
  END
FROM locked l
JOIN input i ON i."projectId" = l.project_id
CROSS JOIN clock
WHERE b.project_id = l.project_id
RETURNING b.project_id AS "projectId"
`

export interface BucketEffect {
  projectId: string
  effect: 'clear' | 'served' | 'trouble' | 'work' | 'refund'
  /** For `trouble`: how long the bucket stays closed, at least (many-closed); null counts the trouble only. */
  blockMs: number | null
  reason: BlockedReason | null
  /** Part of its refill that the bucket keeps from now on, 0..1; it recovers by itself (adaptive-rate). */
  slowDown?: number
  /** For each call that was paid for and not made, the name of its payment (PaidCall). */
  refunds?: readonly string[]
}

/** At most one row per project. */
export async function applyCallResults(sql: Sql, rows: readonly BucketEffect[]): Promise<void> {
  await sql.query(TEXT, toJson(rows))
}
