import type { Sql } from '../database/database.ts'

/**
 * Attempts that are in flight under a replica whose lease has run out or that is gone, and attempts in flight for
 * longer than any call may take: their replica is alive but could not record the outcome.
 *
 * Nothing is locked: an ended lease is never renewed, and settleAttempts checks the replica again.
 *
 * $1 milliseconds that no call takes, $2 most rows.
 */
const FIND_STRANDED = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
)
SELECT
  a.id::text AS "attemptId",
  a.replica_id::text AS "replicaId",
  a.number AS "attemptNumber",
  a.project_id AS "projectId",
  r.request_id AS "requestId",
  r.correlation_id AS "correlationId",
  r.traceparent AS "traceparent",
  r.tracestate AS "tracestate",
  p.id IS NOT NULL AS "overdue",
  extract(epoch FROM clock.ts - a.started_at)::float8 * 1000 AS "ageMs"
FROM attempt a
CROSS JOIN clock
JOIN provision_request r ON r.id = a.provision_request_id
LEFT JOIN replica p ON p.id = a.replica_id AND p.lease_until > clock.ts
WHERE a.replica_id IS NOT NULL
  AND (p.id IS NULL OR a.started_at < clock.ts - make_interval(secs => $1::float8 / 1000))
ORDER BY a.id
LIMIT $2::int
`

/** Forgets replicas whose lease is over and that have nothing in flight; under a forgotten id no lease comes back. */
const DELETE_REPLICAS = `
DELETE FROM replica p
WHERE p.lease_until <= clock_timestamp()
  AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.replica_id = p.id)
RETURNING p.id::text AS "id"
`

export interface StrandedAttempt {
  attemptId: string
  replicaId: string
  attemptNumber: number
  projectId: string
  requestId: string
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
  /** The replica's lease holds; the attempt is taken over for its age. */
  overdue: boolean
  /** Milliseconds since the claim. */
  ageMs: number
}

export function findStranded(
  sql: Sql,
  { overdueMs, limit }: { overdueMs: number; limit: number },
): Promise<StrandedAttempt[]> {
  return sql.query(FIND_STRANDED, overdueMs, limit)
}

/** Returns the ids of the forgotten replicas. */
export async function deleteGoneReplicas(sql: Sql): Promise<string[]> {
  return (await sql.query<{ id: string }>(DELETE_REPLICAS)).map((row) => row.id)
}
