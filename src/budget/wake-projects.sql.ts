import type { Sql } from '../database/database.ts'

/**
 * Makes projects due that have eligible work and whose bucket says there is none. Buckets are locked in project order,
 * as everywhere.
 *
 * Storing requests locks no bucket, and a claim that finds no more work says so without waiting for those who store
 * some. So each of them looks, with this statement, after its own commit: the claim at the projects it has put to
 * sleep, the store at the projects it has stored for. Whichever commits later sees what the other has written.
 *
 * $1 projects.
 */
const TEXT = `
WITH asleep AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b
  WHERE b.project_id = ANY($1::text[])
    AND b.due_at IS NULL
    AND EXISTS (
      SELECT 1
      FROM provision_request r
      WHERE r.project_id || '' = b.project_id
        AND r.queue_rank IS NOT NULL
        AND (r.expires_at IS NULL OR r.expires_at > clock_timestamp())
    )
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET due_at = clock_timestamp()
FROM asleep a
JOIN LATERAL (SELECT a.project_id OFFSET 0) one_row_hint USING (project_id)
WHERE b.project_id = a.project_id
RETURNING b.project_id AS "projectId"
`

/** Returns the projects that were asleep over work. */
export async function wakeProjects(sql: Sql, projectIds: readonly string[]): Promise<string[]> {
  if (projectIds.length === 0) return []
  const rows = await sql.query<{ projectId: string }>(TEXT, projectIds)
  return rows.map((row) => row.projectId)
}
