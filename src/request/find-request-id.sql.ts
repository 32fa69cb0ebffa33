import type { Sql } from '../database/database.ts'

/** $1 project, $2 request. */
const TEXT = `
SELECT r.id::text AS "id"
FROM provision_request r
WHERE r.project_id = $1 AND r.request_id = $2
`

/** The id of the row under an idempotency key; null when there is none. */
export async function findRequestId(
  sql: Sql,
  { projectId, requestId }: { projectId: string; requestId: string },
): Promise<string | null> {
  const [row] = await sql.query<{ id: string }>(TEXT, projectId, requestId)
  return row?.id ?? null
}
