import type { Sql } from '../database/database.ts'
import { DOUBT_ROW, type DoubtRow } from './doubt-row.sql.ts'
import { type OpenDoubt, openDoubtOf } from './open-doubt.ts'

/** Locks the doubt of one request. $1 project, $2 request. */
const TEXT = `
SELECT ${DOUBT_ROW}
FROM provision_request r
CROSS JOIN (SELECT clock_timestamp() AS ts) clock
JOIN look l ON l.provision_request_id = r.id AND l.attempt = r.attempt_number AND l.purpose = 'doubt'
WHERE r.project_id = $1 AND r.request_id = $2 AND r.state = 'uncertain'
FOR UPDATE OF l
`

/** Null when the request is unknown or its present attempt is not of unknown outcome. */
export async function lockDoubt(
  sql: Sql,
  { projectId, requestId }: { projectId: string; requestId: string },
): Promise<OpenDoubt | null> {
  const [row] = await sql.query<DoubtRow>(TEXT, projectId, requestId)
  return row === undefined ? null : openDoubtOf(row)
}
