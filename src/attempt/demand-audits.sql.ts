import type { Sql } from '../database/database.ts'

/**
 * Makes an audit due, now, for each attempt whose instance turned out not to exist: its answer named what does not
 * exist, and may have left out what does. An attempt's row is locked before its request's, as everywhere.
 *
 * $1 projects and $2 ids of the instances, which still are pending.
 */
const TEXT = `
WITH doubtful AS MATERIALIZED (
  SELECT a.id
  FROM attempt a
  WHERE a.id IN (
    SELECT n.attempt_id
    FROM instance n
    JOIN unnest($1::text[], $2::text[]) AS i(project_id, id) ON i.project_id = n.project_id AND i.id = n.id
    WHERE n.state = 'pending'
  )
  ORDER BY a.id
  FOR UPDATE OF a
)
UPDATE attempt a
SET audit_at = clock_timestamp()
FROM doubtful
WHERE a.id = doubtful.id
`

export async function demandAudits(
  sql: Sql,
  instances: readonly { projectId: string; id: string }[],
): Promise<void> {
  if (instances.length === 0) return
  const projectIds = instances.map(({ projectId }) => projectId)
  await sql.query(
    TEXT,
    projectIds,
    instances.map(({ id }) => id),
  )
}
