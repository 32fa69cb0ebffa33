import type { ThroughPrisma } from '../database/database.ts'

/** One row for each of the claims `c`, with those of its requests that are still under way. */
const CLAIMED = `
  c.id::text AS "id",
  c.replica_id::text AS "replicaId",
  extract(epoch FROM clock.ts - c.claimed_at)::float8 * 1000 AS "ageMs",
  (
    SELECT coalesce(json_agg(json_build_object('id', r.id, 'attempt', r.attempt_number, 'projectId', r.project_id)), '[]')
    FROM unnest(c.request_ids) AS held(id)
    JOIN LATERAL (SELECT held.id OFFSET 0) one_row_hint ON one_row_hint.id = held.id
    JOIN provision_request r ON r.id = held.id
    WHERE r.claim_id = c.id
  ) AS "attempts"`

/**
 * Claims of replicas whose lease has run out or that are gone, and claims older than any call may take: their replica is
 * alive but could not record an outcome.
 *
 * Nothing is locked: an ended lease is never renewed, and settleAttempts checks the claim again. For `one_row_hint` see
 * claim-requests.
 *
 * $1 milliseconds that no call takes, $2 most claims.
 */
const FIND_STRANDED = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
)
SELECT ${CLAIMED},
  p.id IS NOT NULL AS "overdue"
FROM claim c
CROSS JOIN clock
LEFT JOIN replica p ON p.id = c.replica_id AND p.lease_until > clock.ts
WHERE p.id IS NULL OR c.claimed_at < clock.ts - make_interval(secs => $1::float8 / 1000)
ORDER BY c.id
LIMIT $2::int
`

/** $1 ids of claims. */
const FIND_CLAIMS = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
)
SELECT ${CLAIMED}
FROM claim c
CROSS JOIN clock
WHERE c.id = ANY($1::uuid[])
ORDER BY c.id
`

/** Forgets replicas whose lease is over and that hold no claim; under a forgotten id no lease comes back. */
const DELETE_REPLICAS = `
DELETE FROM replica p
WHERE p.lease_until <= clock_timestamp()
  AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.replica_id = p.id)
RETURNING p.id::text AS "id"
`

export interface HeldClaim {
  id: string
  replicaId: string
  /** Milliseconds since the claim. */
  ageMs: number
  /** The present attempts of those requests that it still holds. */
  attempts: ClaimedAttempt[]
}

export interface ClaimedAttempt {
  /** The request's row. */
  id: string
  /** Number of the attempt. */
  attempt: number
  projectId: string
}

export interface StrandedClaim extends HeldClaim {
  /** The replica's lease holds; the claim is taken over for its age. */
  overdue: boolean
}

export function findStranded(
  { throughPrisma }: ThroughPrisma,
  { overdueMs, limit }: { overdueMs: number; limit: number },
): Promise<StrandedClaim[]> {
  return throughPrisma.query(FIND_STRANDED, overdueMs, limit)
}

/** Those of the claims that are there. */
export function findClaims({ throughPrisma }: ThroughPrisma, ids: readonly string[]): Promise<HeldClaim[]> {
  return throughPrisma.query(FIND_CLAIMS, ids)
}

/** Returns the ids of the forgotten replicas. */
export async function deleteGoneReplicas({ throughPrisma }: ThroughPrisma): Promise<string[]> {
  return (await throughPrisma.query<{ id: string }>(DELETE_REPLICAS)).map((row) => row.id)
}
