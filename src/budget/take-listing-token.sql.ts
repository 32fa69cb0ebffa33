import type { Sql } from '../database/database.ts'
import { bucketLevel, refilledAfterReading } from './bucket-level.sql.ts'

/**
 * Takes one token of a project for one page of a reconciling listing. Somebody is waiting for an order of unknown
 * outcome, so a listing need not earn its calls like readiness: it takes any token that is there, and where there is
 * none it lends the project the credit for one call, so that creating leaves the next token for it. How often a
 * project is listed bounds what this costs. $1 project.
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
  SELECT
    level.tokens,
    level.refill,
    greatest(b.refilled_at, clock.ts) AS refilled_at,
    coalesce(b.blocked_until > clock.ts, false) AS blocked,
    (NOT coalesce(b.blocked_until > clock.ts, false) AND level.tokens >= 1)::int AS granted
  FROM bucket b
  CROSS JOIN clock
  CROSS JOIN LATERAL ${bucketLevel('0')} level
)
UPDATE rate_bucket b
SET
  tokens = r.tokens - r.granted,
  refilled_at = ${refilledAfterReading},
  poll_credit = CASE WHEN r.granted = 1 OR r.blocked THEN b.poll_credit ELSE 1 END,
  poll_wanted_until = CASE WHEN r.granted = 1 OR r.blocked THEN b.poll_wanted_until ELSE clock.ts + interval '5 seconds' END
FROM refilled r
CROSS JOIN clock
WHERE b.project_id = $1
RETURNING
  r.granted = 1 AS "granted",
  r.blocked AS "blocked",
  r.refill AS "refillPerSecond",
  CASE
    WHEN r.granted = 1 THEN 0
    WHEN r.blocked THEN extract(epoch FROM b.blocked_until - clock.ts)::float8 * 1000
    ELSE (1 - r.tokens) / r.refill * 1000
  END::float8 AS "waitMs"
`

export interface ListingToken {
  granted: boolean
  /** The bucket is closed. */
  blocked: boolean
  /** Calls per second that flow into the bucket now. */
  refillPerSecond: number
  /** Milliseconds until it is worth trying again. */
  waitMs: number
}

/** Null when the project has no bucket, which no project with a request has. */
export async function takeListingToken(sql: Sql, projectId: string): Promise<ListingToken | null> {
  const [row] = await sql.query<ListingToken>(TEXT, projectId)
  return row ?? null
}
