import { ALL_PROJECTS } from '../budget/pause.sql.ts'
import { levelOf } from '../budget/pay.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'

/**
 * Projects that have ordered lately, or for which a person has set something, those with the least left of their budget
 * first. What is used changes all the time: a page begins after the share that the last one ended with.
 *
 * $1 and $2 share and project after which the page begins, the share null for the first one; $3 most.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
known AS (
  SELECT b.project_id FROM rate_bucket b
  UNION
  SELECT p.project_id FROM pause p, clock
  WHERE p.project_id <> '${ALL_PROJECTS}' AND (p.until IS NULL OR p.until > clock.ts)
  UNION
  SELECT o.project_id FROM limit_override o, clock WHERE o.until IS NULL OR o.until > clock.ts
),
used AS (
  SELECT k.project_id, b.credential_id,
    coalesce(round((1 - level.tokens / level.capacity)::numeric, 3), 0)::float8 AS share
  FROM known k
  CROSS JOIN clock
  LEFT JOIN rate_bucket b USING (project_id)
  LEFT JOIN LATERAL ${levelOf('0')} level ON true
)
SELECT u.project_id AS "projectId", u.share AS "usedShare", nullif(u.credential_id, 'none') AS "credentialId"
FROM used u
WHERE $1::float8 IS NULL OR u.share < $1::float8 OR (u.share = $1::float8 AND u.project_id > $2)
ORDER BY u.share DESC, u.project_id
LIMIT $3::int
`

/** Where a page ends. */
export interface ProjectPlace {
  /** 0..1 */
  usedShare: number
  projectId: string
}

export interface FoundProject extends ProjectPlace {
  credentialId: string | null
}

export function findProjects(
  { throughPrisma }: ThroughPrisma,
  { after, limit }: { after: ProjectPlace | undefined; limit: number },
): Promise<FoundProject[]> {
  return throughPrisma.query(TEXT, after?.usedShare ?? null, after?.projectId ?? '', limit)
}
