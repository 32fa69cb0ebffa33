import type { ThroughPrisma } from '../database/database.ts'

/**
 * Claims of requests that are dispatching and that no claim names, in the name of a replica that does not exist: the
 * rescuer takes them over. A replica that works on one still settles it, since the claim is the same.
 *
 * $1 request ids.
 */
const TEXT = `
WITH lost AS MATERIALIZED (
  SELECT r.id, r.claim_id, r.updated_at
  FROM provision_request r
  WHERE r.id = ANY($1::uuid[])
    AND r.state = 'dispatching'
    AND NOT EXISTS (SELECT FROM claim c WHERE c.id = r.claim_id AND r.id = ANY(c.request_ids))
  ORDER BY r.id
  FOR UPDATE OF r
)
INSERT INTO claim (id, replica_id, claimed_at, request_ids)
SELECT l.claim_id, gen_random_uuid(), min(l.updated_at), array_agg(l.id)
FROM lost l
GROUP BY l.claim_id
ORDER BY l.claim_id
ON CONFLICT (id) DO UPDATE SET request_ids = claim.request_ids || excluded.request_ids
`

export async function restoreClaims(
  { throughPrisma }: ThroughPrisma,
  requestIds: readonly string[],
): Promise<void> {
  await throughPrisma.query(TEXT, requestIds)
}
