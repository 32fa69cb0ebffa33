import type { ThroughPrisma } from '../database/database.ts'

/**
 * Makes an audit due, now, for each attempt whose instance turned out not to exist: its answer named what does not
 * exist, and may have left out what does. In order of id, as others lock looks.
 *
 * $1 projects and $2 ids of the instances, which still are pending.
 */
const TEXT = `
INSERT INTO look (provision_request_id, attempt, project_id, purpose, due_at)
SELECT DISTINCT n.provision_request_id, n.attempt, n.project_id, 'audit'::look_purpose, clock.ts
FROM (SELECT clock_timestamp() AS ts) clock
CROSS JOIN unnest($1::text[], $2::text[]) AS i(project_id, id)
JOIN instance n ON n.project_id = i.project_id AND n.id = i.id
WHERE n.state = 'pending'
ORDER BY n.provision_request_id, n.attempt
ON CONFLICT (provision_request_id, attempt) DO UPDATE
SET due_at = excluded.due_at
WHERE look.purpose = 'audit'
`

export async function demandAudits(
  { throughPrisma }: ThroughPrisma,
  instances: readonly { projectId: string; id: string }[],
): Promise<void> {
  if (instances.length === 0) return
  const projectIds = instances.map(({ projectId }) => projectId)
  await throughPrisma.query(
    TEXT,
    projectIds,
    instances.map(({ id }) => id),
  )
}
