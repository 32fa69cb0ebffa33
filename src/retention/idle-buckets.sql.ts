import type { ThroughPrisma } from '../database/database.ts'

/*
 * Buckets of projects that order nothing any more go in two steps, so that none goes from under a request. The first
 * marks the row. An insert that finds the mark clears it, in its own transaction (intake/insert-requests); one that ran
 * when the mark was set has ended by the second step, and its request is seen there. The second step deletes what is
 * still marked: an insert that holds the row makes it pass on, and one that waits for the row makes a new one.
 */

/**
 * What the project of bucket `b` must be: asleep, full, long without any payment, with nothing open, pending or to be
 * looked for. A block that was over long ago has been forgotten with those who waited for it. $1 milliseconds without use.
 */
const IDLE = `b.due_at IS NULL
    AND b.rate_factor = 1
    AND b.refilled_at < clock.ts - make_interval(secs => $1::float8 / 1000)
    AND coalesce(b.blocked_until < clock.ts - make_interval(secs => $1::float8 / 1000), true)
    AND b.tokens + extract(epoch FROM clock.ts - b.refilled_at) * b.refill_per_second >= b.capacity
    AND b.project_id NOT IN (SELECT p.project_id FROM poll p)
    AND b.project_id NOT IN (SELECT l.project_id FROM look l)
    AND (
      SELECT r.id FROM provision_request r
      WHERE r.project_id = b.project_id AND r.completed_at IS NULL
      ORDER BY r.id
      LIMIT 1
    ) IS NULL`

/** $2 most rows. */
const MARK = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
idle AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b, clock
  WHERE b.retiring_at IS NULL AND ${IDLE}
  ORDER BY b.project_id
  LIMIT $2::int
  FOR UPDATE OF b SKIP LOCKED
)
UPDATE rate_bucket b
SET retiring_at = clock.ts
FROM idle i
JOIN LATERAL (SELECT i.project_id OFFSET 0) one_row_hint USING (project_id)
CROSS JOIN clock
WHERE b.project_id = i.project_id
RETURNING 1 AS "row"
`

/** $2 most rows, $3 milliseconds since the mark: longer than any statement runs. */
const DELETE = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
idle AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b, clock
  WHERE b.retiring_at <= clock.ts - make_interval(secs => $3::float8 / 1000) AND ${IDLE}
  ORDER BY b.project_id
  LIMIT $2::int
  FOR UPDATE OF b SKIP LOCKED
)
DELETE FROM rate_bucket b
USING idle i
JOIN LATERAL (SELECT i.project_id OFFSET 0) one_row_hint USING (project_id)
WHERE b.project_id = i.project_id
RETURNING 1 AS "row"
`

/** Marks buckets that were not used for `idleMs`. Returns how many. */
export async function markIdleBuckets(
  { throughPrisma }: ThroughPrisma,
  { idleMs, limit }: { idleMs: number; limit: number },
): Promise<number> {
  return (await throughPrisma.query(MARK, idleMs, limit)).length
}

/** Deletes those that were marked at least `keptForMs` ago and are idle still. Returns how many. */
export async function deleteIdleBuckets(
  { throughPrisma }: ThroughPrisma,
  { idleMs, limit, keptForMs }: { idleMs: number; limit: number; keptForMs: number },
): Promise<number> {
  return (await throughPrisma.query(DELETE, idleMs, limit, keptForMs)).length
}
