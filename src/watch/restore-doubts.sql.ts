import type { ThroughPrisma } from '../database/database.ts'

/**
 * The look that is due for requests of unknown outcome that none is due for. What earlier looks had found is lost with
 * the row: they begin anew.
 *
 * $1 request ids.
 */
const TEXT = `
WITH lost AS MATERIALIZED (
  SELECT r.id, r.attempt_number, r.project_id
  FROM provision_request r
  WHERE r.id = ANY($1::uuid[])
    AND r.state = 'uncertain'
    AND (
      -- A subquery in this place is one index probe per row.
      SELECT l.purpose FROM look l WHERE l.provision_request_id = r.id AND l.attempt = r.attempt_number
    ) IS DISTINCT FROM 'doubt'
  ORDER BY r.id
  FOR UPDATE OF r
)
INSERT INTO look (provision_request_id, attempt, project_id, purpose, due_at)
SELECT l.id, l.attempt_number, l.project_id, 'doubt', clock_timestamp()
FROM lost l
ORDER BY l.id
ON CONFLICT (provision_request_id, attempt) DO UPDATE
SET purpose = excluded.purpose, due_at = excluded.due_at, listings_without = 0, evidence = NULL
`

export async function restoreDoubts(
  { throughPrisma }: ThroughPrisma,
  requestIds: readonly string[],
): Promise<void> {
  await throughPrisma.query(TEXT, requestIds)
}
