import type { ThroughPrisma } from '../database/database.ts'

/**
 * What ended with an error since then, by code, the most frequent first. Of very many the newest count: they are read from
 * their partial index alone. The newest of each code is looked up as an example, one probe each.
 *
 * $1 since, $2 most requests looked at, $3 most projects named for each code.
 */
const TEXT = `
WITH newest AS MATERIALIZED (
  SELECT r.error_code, r.project_id, r.completed_at
  FROM provision_request r
  WHERE r.exception_state IN ('failed', 'expired') AND r.completed_at >= $1::timestamptz
  ORDER BY r.completed_at DESC
  LIMIT $2::int
),
by_project AS (
  SELECT n.error_code, n.project_id, count(*) AS n, min(n.completed_at) AS first, max(n.completed_at) AS last
  FROM newest n
  GROUP BY n.error_code, n.project_id
),
by_code AS MATERIALIZED (
  SELECT
    p.error_code, sum(p.n) AS n, min(p.first) AS first, max(p.last) AS last, count(*) AS projects,
    (array_agg(p.project_id ORDER BY p.n DESC, p.project_id))[1:$3::int] AS named
  FROM by_project p
  GROUP BY p.error_code
)
SELECT
  c.error_code AS "code",
  c.n::int AS "count",
  c.first AS "first",
  c.last AS "last",
  c.projects::int AS "projectCount",
  c.named AS "projects",
  example.project_id AS "projectId",
  example.request_id AS "requestId",
  example.error_message AS "message"
FROM by_code c
CROSS JOIN LATERAL (
  SELECT r.project_id, r.request_id, r.error_message
  FROM provision_request r
  WHERE r.exception_state IN ('failed', 'expired') AND r.completed_at = c.last
    AND r.error_code IS NOT DISTINCT FROM c.error_code
  LIMIT 1
) example
ORDER BY c.n DESC, c.error_code
`

export interface FailureRow {
  code: string | null
  count: number
  first: Date
  last: Date
  projectCount: number
  projects: string[]
  /** The newest of them. */
  projectId: string
  requestId: string
  message: string | null
}

export function findFailures(
  { throughPrisma }: ThroughPrisma,
  { since, limit, projectsNamed }: { since: Date; limit: number; projectsNamed: number },
): Promise<FailureRow[]> {
  return throughPrisma.query(TEXT, since.toISOString(), limit, projectsNamed)
}
