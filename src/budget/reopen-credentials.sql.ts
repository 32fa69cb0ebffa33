import type { ThroughPrisma } from '../database/database.ts'

/**
 * Lets credentials be tried at once that were refused, and those of their projects that were refused with them: they show
 * something else now. Each has yet to prove itself (credential.sql.ts). Projects before credentials, as everywhere.
 *
 * $1 credentials.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
refused_projects AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b
  WHERE b.credential_id = ANY ($1::text[]) AND b.blocked_reason = 'unauthorized'
  ORDER BY b.project_id
  FOR UPDATE OF b
),
reopened AS (
  UPDATE rate_bucket b
  SET blocked_until = least(b.blocked_until, clock.ts), troubles = 0,
    due_at = CASE WHEN b.due_at IS NOT NULL THEN least(b.due_at, clock.ts) END
  FROM refused_projects r
  CROSS JOIN clock
  WHERE b.project_id = r.project_id
),
refused AS MATERIALIZED (
  SELECT c.credential_id
  FROM credential_bucket c
  -- Counted before the first is locked: the buckets of projects are locked by then.
  WHERE c.credential_id = ANY ($1::text[]) AND c.blocked_reason = 'unauthorized'
    AND (SELECT count(*) FROM refused_projects) >= 0
  ORDER BY c.credential_id
  FOR UPDATE OF c
)
UPDATE credential_bucket c
SET blocked_until = clock.ts, blocked_reason = 'unproven', troubles = 0, due_at = NULL
FROM refused r
CROSS JOIN clock
WHERE c.credential_id = r.credential_id
`

export async function reopenCredentials(
  { throughPrisma }: ThroughPrisma,
  credentialIds: readonly string[],
): Promise<void> {
  if (credentialIds.length > 0) await throughPrisma.query(TEXT, credentialIds)
}
