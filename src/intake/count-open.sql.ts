import type { ThroughPrisma } from '../database/database.ts'

/**
 * Open requests of each project, counted up to a bound. An index of open requests alone serves the count, so it costs
 * nothing more for those that have ended.
 *
 * $1 projects, $2 most to count of each.
 */
const TEXT = `
SELECT p.id AS "projectId", counted.n AS "open"
FROM unnest($1::text[]) AS p(id)
CROSS JOIN LATERAL (
  SELECT count(*)::int AS n
  FROM (
    SELECT FROM provision_request r
    WHERE r.project_id = p.id AND r.completed_at IS NULL
    ORDER BY r.id
    LIMIT $2::int
  ) one
) counted
`

export async function countOpen(
  { throughPrisma }: ThroughPrisma,
  projectIds: readonly string[],
  most: number,
): Promise<Map<string, number>> {
  if (projectIds.length === 0) return new Map()
  const rows = await throughPrisma.query<{ projectId: string; open: number }>(TEXT, projectIds, most)
  return new Map(rows.map(({ projectId, open }) => [projectId, open]))
}
