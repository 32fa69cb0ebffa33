import type { Sql } from '../database/database.ts'
import { bucketLevel, refilledAfterReading } from './bucket-level.sql.ts'

/**
 * Takes a token of a project for a single readiness call, by the rule of claim-instances. $1 project, $2 share
 * (0..1).
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
bucket AS MATERIALIZED (
  SELECT b.*
  FROM rate_bucket b
  WHERE b.project_id = $1
  FOR UPDATE OF b
),
refilled AS MATERIALIZED (
  SELECT level.*, greatest(b.refilled_at, clock.ts) AS refilled_at,
    CASE
      WHEN b.blocked_until > clock.ts THEN 0
      WHEN level.tokens < 1 THEN 0
      WHEN b.due_at IS NULL OR level.poll_credit >= 1 THEN 1
      ELSE 0
    END::int AS granted
  FROM bucket b
  CROSS JOIN clock
  CROSS JOIN LATERAL ${bucketLevel('$2::float8')} level
)
UPDATE rate_bucket b
SET
  tokens = r.tokens - r.granted,
  refilled_at = ${refilledAfterReading},
  poll_credit = greatest(0, r.poll_credit - r.granted),
  poll_wanted_until = CASE WHEN r.granted = 0 THEN clock.ts + interval '5 seconds' END
FROM refilled r
CROSS JOIN clock
WHERE b.project_id = $1
RETURNING r.granted = 1 AS "granted"
`

/** Whether there was one to take. */
export async function takeToken(sql: Sql, params: { projectId: string; share: number }): Promise<boolean> {
  const rows = await sql.query<{ granted: boolean }>(TEXT, params.projectId, params.share)
  return rows[0]?.granted ?? false
}
