import type { ThroughPrisma } from '../database/database.ts'

/**
 * RATE_ADAPTIVE: a 429 lowers the rate of its project, and the rate recovers by itself. All of it is here; the bucket
 * keeps the part of its rate that is in use (`rate_factor`), and where a 429 is told, `slowDown` says what it leaves.
 */

/** The part of the present rate that a 429 leaves. */
export const SLOW_DOWN = 0.7
/** The least part of the configured rate. */
const LEAST_FACTOR = 0.05
/** A slowed rate recovers by this part of the configured one per second: all of it in two minutes or so. */
const RECOVERY_PART = 0.01
/** How often they are given it. */
export const RECOVERY_INTERVAL_MS = 1000

/**
 * The factor of bucket `b` after the call result `i` (apply-call-results), of which only the first counts that meets
 * the bucket `open` (SQL).
 */
export const slowedFactor = (open: string): string => `CASE
    WHEN ${open} AND i."slowDown" IS NOT NULL THEN greatest(${LEAST_FACTOR}, b.rate_factor * i."slowDown")
    ELSE b.rate_factor
  END`

const TEXT = `
WITH slowed AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b
  WHERE b.rate_factor < 1
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET rate_factor = least(1, b.rate_factor + $1::float8)
FROM slowed s
WHERE b.project_id = s.project_id
`

/** Gives slowed buckets back what `ms` milliseconds are worth. */
export async function recoverRates({ throughPrisma }: ThroughPrisma, ms: number): Promise<void> {
  await throughPrisma.query(TEXT, (RECOVERY_PART * ms) / 1000)
}
