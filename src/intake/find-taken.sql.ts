import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { TakenRow } from './insert-requests.sql.ts'

/** $1 keys with the ids of their rows, as JSON. */
const TEXT = `
SELECT
  i."id"::text AS "id",
  encode(coalesce(r.content_digest, k.content_digest), 'base64') AS "contentDigest",
  coalesce(r.password_digest, k.password_digest) AS "passwordDigest",
  encode(r.sealed_password, 'base64') AS "sealedPassword"
FROM json_to_recordset($1::json) AS i("id" uuid, "projectId" text, "requestId" text)
LEFT JOIN LATERAL (
  -- The limits make each of the two one index probe per row.
  SELECT r.id, r.content_digest, r.password_digest, r.sealed_password
  FROM provision_request r
  WHERE r.project_id = i."projectId" AND r.request_id = i."requestId"
  LIMIT 1
) r ON true
LEFT JOIN LATERAL (
  SELECT k.request_id, k.content_digest, k.password_digest
  FROM retired_key k
  WHERE k.project_id = i."projectId" AND k.request_id = i."requestId"
  LIMIT 1
) k ON true
WHERE r.id IS NOT NULL OR k.request_id IS NOT NULL
`

/** What is stored under those of the keys that are taken, by requests or by retired keys; each by the id it was asked with. */
export async function findTaken(
  { throughPrisma }: ThroughPrisma,
  keys: readonly { id: string; projectId: string; requestId: string }[],
): Promise<TakenRow[]> {
  if (keys.length === 0) return []
  return throughPrisma.query(
    TEXT,
    toJson(keys.map(({ id, projectId, requestId }) => ({ id, projectId, requestId }))),
  )
}
