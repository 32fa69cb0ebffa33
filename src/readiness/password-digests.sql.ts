import type { Sql } from '../database/database.ts'

/** $1 ids of requests. */
const FIND = `
SELECT r.id::text AS "id", r.project_id AS "projectId", r.request_id AS "requestId", r.password_digest AS "digest"
FROM provision_request r
WHERE r.id = ANY($1::uuid[])
`

export interface StoredDigest {
  id: string
  projectId: string
  requestId: string
  /** As PasswordDigester makes it. */
  digest: string
}

/** The digests of the passwords of requests. */
export function findPasswordDigests(sql: Sql, requestIds: readonly string[]): Promise<StoredDigest[]> {
  return sql.query(FIND, requestIds)
}
