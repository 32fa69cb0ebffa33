import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { ProjectLimit } from './call-limits.ts'

/**
 * Brings the buckets to the configured limits, and those with queued work down to one token: the process that asks has
 * only just started, and its slow first calls would run into the quicker ones after them.
 *
 * $1 default refill, $2 default capacity, $3 other limits by project as JSON.
 */
const TEXT = `
WITH overrides AS MATERIALIZED (
  SELECT * FROM json_to_recordset($3::json) AS o("projectId" text, "refillPerSecond" float8, "capacity" float8)
),
wanted AS MATERIALIZED (
  SELECT
    b.project_id,
    coalesce(o."refillPerSecond", $1::float8) AS refill_per_second,
    coalesce(o."capacity", $2::float8) AS capacity,
    greatest(0, extract(epoch FROM clock_timestamp() - b.refilled_at))::float8 * b.refill_per_second * b.rate_factor AS inflow
  FROM rate_bucket b
  LEFT JOIN overrides o ON o."projectId" = b.project_id
  WHERE b.due_at IS NOT NULL
    OR (b.refill_per_second, b.capacity)
      IS DISTINCT FROM (coalesce(o."refillPerSecond", $1::float8), coalesce(o."capacity", $2::float8))
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET
  refill_per_second = w.refill_per_second,
  capacity = w.capacity,
  tokens = CASE WHEN b.due_at IS NULL THEN least(b.tokens, w.capacity) ELSE least(1, b.tokens + w.inflow) END,
  refilled_at = CASE WHEN b.due_at IS NULL THEN b.refilled_at ELSE greatest(b.refilled_at, clock_timestamp()) END
FROM wanted w
WHERE b.project_id = w.project_id
`

export async function syncBuckets(
  sql: Sql,
  defaults: { refillPerSecond: number; capacity: number },
  overrides: readonly ProjectLimit[],
): Promise<void> {
  await sql.query(TEXT, defaults.refillPerSecond, defaults.capacity, toJson(overrides))
}
