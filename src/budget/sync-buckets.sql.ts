import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { CallLimits } from './call-limits.ts'
import { levelOf } from './pay.sql.ts'

/**
 * Where the rate rises, tokens flow again after this, at the new rate: calls that were paid for at the old one may be as
 * late as that rate allows, and must not arrive together with those of the new one. They have left by then, but for a
 * process that stood still.
 */
const RISE_SECONDS = 0.9

/**
 * Brings buckets to the limits in force: those that people have set (limit_override), else the configured ones. What has
 * flowed in until now came at the old limit, and no token is made of the change: a bucket keeps its level, at most the new
 * capacity. So in no window more calls arrive than the larger of both limits allows. Payments from before the change get
 * nothing back: how late later calls may be is reckoned without it.
 *
 * Without the adaptive mode a rate that it has slowed is whole again. A project that waits for its next token is looked at
 * again; one that is closed, or probed, keeps its time.
 *
 * $1 default refill, $2 default capacity, $3 other configured limits by project as JSON, $4 whether rates are adaptive, $5
 * projects; null for all.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
configured AS MATERIALIZED (
  SELECT * FROM json_to_recordset($3::json) AS o("projectId" text, "refillPerSecond" float8, "capacity" float8)
),
wanted AS MATERIALIZED (
  SELECT b.project_id, b.due_at, b.blocked_until, next.*, level.tokens, level.refilled_at,
    next.new_rate * next.new_factor > level.refill AS rises
  FROM rate_bucket b
  CROSS JOIN clock
  LEFT JOIN configured c ON c."projectId" = b.project_id
  LEFT JOIN limit_override o ON o.project_id = b.project_id AND (o.until IS NULL OR o.until > clock.ts)
  CROSS JOIN LATERAL (
    SELECT
      coalesce(o.refill_per_second, c."refillPerSecond", $1::float8) AS new_rate,
      coalesce(o.capacity, c."capacity", $2::float8) AS new_capacity,
      CASE WHEN $4::bool THEN b.rate_factor ELSE 1 END AS new_factor
  ) next
  CROSS JOIN LATERAL ${levelOf('0')} level
  WHERE ($5::text[] IS NULL OR b.project_id = ANY($5::text[]))
    AND (b.refill_per_second, b.capacity, b.rate_factor) IS DISTINCT FROM (next.new_rate, next.new_capacity, next.new_factor)
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET
  refill_per_second = w.new_rate,
  capacity = w.new_capacity,
  rate_factor = w.new_factor,
  tokens = least(w.tokens, w.new_capacity),
  refilled_at = CASE
    WHEN w.rises THEN greatest(w.refilled_at, clock.ts + make_interval(secs => ${RISE_SECONDS}))
    ELSE w.refilled_at
  END,
  payment = NULL,
  due_at = CASE WHEN w.due_at > clock.ts AND w.blocked_until IS NULL THEN clock.ts ELSE w.due_at END
FROM wanted w
CROSS JOIN clock
WHERE b.project_id = w.project_id
`

export async function syncBuckets(
  { throughPrisma }: ThroughPrisma,
  { standard, overrides }: CallLimits['buckets'],
  adaptive: boolean,
  projectIds: readonly string[] | null = null,
): Promise<void> {
  await throughPrisma.query(
    TEXT,
    standard.refillPerSecond,
    standard.capacity,
    toJson(overrides),
    adaptive,
    projectIds,
  )
}
