import type { ThroughPrisma } from '../database/database.ts'

/**
 * Projects with audits that are due, the longest due first, and the time that "due" means. Nothing is claimed: an audit
 * stays due until a complete listing that began after that time has ended it. One index probe per project.
 *
 * $1 projects to leave alone, $2 most projects.
 */
const FIND_DUE = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
)
SELECT b.project_id AS "projectId", clock.ts::text AS "dueBy"
FROM rate_bucket b
CROSS JOIN clock
CROSS JOIN LATERAL (
  SELECT l.due_at
  FROM look l
  WHERE l.project_id = b.project_id AND l.purpose = 'audit' AND l.due_at <= clock.ts
  ORDER BY l.due_at
  LIMIT 1
) first
WHERE b.project_id <> ALL($1::text[])
ORDER BY first.due_at
LIMIT $2::int
`

/** In order of id, as others lock them. For `one_row_hint` see claim-requests. $1 project, $2 the time of findDueAudits. */
const END = `
WITH done AS MATERIALIZED (
  SELECT l.provision_request_id, l.attempt
  FROM look l
  WHERE l.project_id = $1 AND l.purpose = 'audit' AND l.due_at <= $2::timestamptz
  ORDER BY l.provision_request_id, l.attempt
  FOR UPDATE OF l
)
DELETE FROM look l
USING done
JOIN LATERAL (SELECT done.attempt OFFSET 0) one_row_hint ON one_row_hint.attempt = done.attempt
WHERE l.provision_request_id = done.provision_request_id AND l.attempt = done.attempt
`

export interface DueAudits {
  projectId: string
  /** The database's time when they were found, as text. */
  dueBy: string
}

export function findDueAudits(
  { throughPrisma }: ThroughPrisma,
  { exceptProjects, limit }: { exceptProjects: readonly string[]; limit: number },
): Promise<DueAudits[]> {
  return throughPrisma.query(FIND_DUE, exceptProjects, limit)
}

/** For audits served by a complete listing that began after `dueBy`. */
export async function endAudits(
  { throughPrisma }: ThroughPrisma,
  { projectId, dueBy }: DueAudits,
): Promise<void> {
  await throughPrisma.query(END, projectId, dueBy)
}
