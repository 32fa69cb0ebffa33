import type { Sql } from '../database/database.ts'

/** $1 project, $2 instance ids. */
const TEXT = `
SELECT n.id AS "id", n.provision_request_id || '.' || n.attempt AS "key"
FROM instance n
WHERE n.project_id = $1 AND n.id = ANY($2::text[])
`

/** By instance id, the attempt that owns it (attemptKey); instances without a row are absent. */
export async function findOwners(
  sql: Sql,
  projectId: string,
  instanceIds: readonly string[],
): Promise<Map<string, string>> {
  if (instanceIds.length === 0) return new Map()
  const rows = await sql.query<{ id: string; key: string }>(TEXT, projectId, instanceIds)
  return new Map(rows.map(({ id, key }) => [id, key]))
}
