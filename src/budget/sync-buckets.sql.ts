import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { CallLimits } from './call-limits.ts'

/**
 * Brings the buckets to the configured limits. Without the adaptive mode a rate that it has slowed is whole again.
 *
 * $1 default refill, $2 default capacity, $3 other limits by project as JSON, $4 whether rates are adaptive.
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
    CASE WHEN $4::bool THEN b.rate_factor ELSE 1 END AS rate_factor
  FROM rate_bucket b
  LEFT JOIN overrides o ON o."projectId" = b.project_id
  WHERE (b.refill_per_second, b.capacity) IS DISTINCT FROM (coalesce(o."refillPerSecond", $1::float8), coalesce(o."capacity", $2::float8))
    OR (b.rate_factor < 1 AND NOT $4::bool)
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET
  refill_per_second = w.refill_per_second,
  capacity = w.capacity,
  tokens = least(b.tokens, w.capacity),
  rate_factor = w.rate_factor
FROM wanted w
WHERE b.project_id = w.project_id
`

export async function syncBuckets(
  { throughPrisma }: ThroughPrisma,
  { standard, overrides }: CallLimits['buckets'],
  adaptive: boolean,
): Promise<void> {
  await throughPrisma.query(TEXT, standard.refillPerSecond, standard.capacity, toJson(overrides), adaptive)
}
