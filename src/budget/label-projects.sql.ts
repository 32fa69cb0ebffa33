import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/**
 * Writes into the buckets which credential their projects' calls are made with. Buckets are locked in project order, as
 * everywhere.
 *
 * $1 projects with their credentials as JSON, $2 the credential of all others; null leaves those as they are.
 */
const TEXT = `
WITH named AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS n("projectId" text, "credentialId" text)
),
wrong AS MATERIALIZED (
  SELECT b.project_id, coalesce(n."credentialId", $2::text) AS credential_id
  FROM rate_bucket b
  LEFT JOIN named n ON n."projectId" = b.project_id
  WHERE b.credential_id <> coalesce(n."credentialId", $2::text)
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET credential_id = w.credential_id
FROM wrong w
JOIN LATERAL (SELECT w.project_id OFFSET 0) one_row_hint USING (project_id)
WHERE b.project_id = w.project_id
`

export interface ProjectCredential {
  projectId: string
  credentialId: string
}

/** At most one row per project. */
export async function labelProjects(
  { throughPrisma }: ThroughPrisma,
  projects: readonly ProjectCredential[],
  others: string | null = null,
): Promise<void> {
  await throughPrisma.query(TEXT, toJson(projects), others)
}
