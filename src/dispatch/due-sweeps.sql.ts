import type { ThroughPrisma } from '../database/database.ts'
import { CHANGED_AT } from '../request/change.sql.ts'
import { PRIORITY_STEP_MINUTES } from '../request/provision-request.ts'

/** Requests whose retry time has come go back into the queue. $1 minutes per step of priority, $2 most rows. */
const PROMOTE_RETRIES = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
due AS MATERIALIZED (
  SELECT r.id
  FROM provision_request r
  WHERE r.retry_at <= clock_timestamp()
  ORDER BY r.retry_at
  LIMIT $2::int
  FOR UPDATE OF r SKIP LOCKED
),
promoted AS (
  UPDATE provision_request r
  SET
    retry_at = NULL,
    queue_rank = r.created_at - make_interval(mins => r.priority * $1::int),
    updated_at = ${CHANGED_AT}
  FROM due
  CROSS JOIN clock
  WHERE r.id = due.id
  RETURNING r.project_id
)
SELECT DISTINCT p.project_id AS "projectId"
FROM promoted p
`

/** Requests whose deadline has passed while they were queued. $1 most rows. */
const FIND_EXPIRED = `
SELECT r.id::text AS "id", r.version AS "version"
FROM provision_request r
WHERE r.expires_at <= clock_timestamp()
ORDER BY r.expires_at
LIMIT $1::int
`

/**
 * Projects that have eligible work although their bucket says there is none. A process leaves this behind that ends
 * between a commit and the look after it (wake-projects); a safety net under the wake-ups. One index
 * probe per project.
 */
const FIND_SLEEPING = `
SELECT b.project_id AS "projectId"
FROM rate_bucket b
WHERE b.due_at IS NULL
  AND EXISTS (
    SELECT 1 FROM provision_request r WHERE r.project_id || '' = b.project_id AND r.queue_rank IS NOT NULL
  )
`

/** When the next retry or deadline is due. */
const NEXT = `
SELECT extract(epoch FROM least(
  (SELECT r.retry_at FROM provision_request r WHERE r.retry_at IS NOT NULL ORDER BY r.retry_at LIMIT 1),
  (SELECT r.expires_at FROM provision_request r WHERE r.expires_at IS NOT NULL ORDER BY r.expires_at LIMIT 1)
) - clock_timestamp())::float8 * 1000 AS "inMs"
`

/** Milliseconds until a retry or a deadline is due; infinite where there is none. */
export async function nextSweepMs({ throughPrisma }: ThroughPrisma): Promise<number> {
  const [row] = await throughPrisma.query<{ inMs: number | null }>(NEXT)
  return row?.inMs ?? Number.POSITIVE_INFINITY
}

export async function promoteRetries({ throughPrisma }: ThroughPrisma, limit: number): Promise<string[]> {
  const rows = await throughPrisma.query<{ projectId: string }>(PROMOTE_RETRIES, PRIORITY_STEP_MINUTES, limit)
  return rows.map((row) => row.projectId)
}

export function findExpired(
  { throughPrisma }: ThroughPrisma,
  limit: number,
): Promise<{ id: string; version: number }[]> {
  return throughPrisma.query(FIND_EXPIRED, limit)
}

export async function findSleepingProjects({ throughPrisma }: ThroughPrisma): Promise<string[]> {
  const rows = await throughPrisma.query<{ projectId: string }>(FIND_SLEEPING)
  return rows.map((row) => row.projectId)
}
