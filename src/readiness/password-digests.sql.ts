import type { ThroughPrisma } from '../database/database.ts'

/** $1 project, $2 ids of instances. */
const FIND = `
SELECT n.id AS "instanceId", r.id::text AS "id", r.project_id AS "projectId", r.request_id AS "requestId",
  r.password_digest AS "digest", r.password_trace AS "trace"
FROM unnest($2::text[]) AS i(id)
JOIN LATERAL (SELECT i.id OFFSET 0) one_row_hint USING (id)
JOIN instance n ON n.project_id = $1 AND n.id = i.id
JOIN provision_request r ON r.id = n.provision_request_id
`

export interface StoredDigest {
  /** The request's row. */
  id: string
  projectId: string
  requestId: string
  /** As PasswordDigester makes it; null where none is kept. */
  digest: string | null
  /** As PasswordTracer makes it; null once the request has ended. */
  trace: string | null
}

/** The digests of the passwords of the requests that own these instances, by the instance's id. */
export async function findPasswordDigests(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
  instanceIds: readonly string[],
): Promise<Map<string, StoredDigest>> {
  const rows = await throughPrisma.query<StoredDigest & { instanceId: string }>(FIND, projectId, instanceIds)
  return new Map(rows.map(({ instanceId, ...digest }) => [instanceId, digest]))
}
