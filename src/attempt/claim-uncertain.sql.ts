import type { Sql } from '../database/database.ts'

/**
 * Claims the uncertain attempts of projects where one is due, all of them, because one listing serves them all.
 * Claiming moves them on to their next look, so that a reconciler that dies in between costs one interval; the new
 * time is the claim's fence (record-looks.ts).
 *
 * $1 projects to leave alone, $2 most projects, $3 milliseconds to move on by.
 */
const CLAIM_UNCERTAIN = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
due_projects AS MATERIALIZED (
  SELECT a.project_id
  FROM attempt a, clock
  WHERE a.reconcile_at <= clock.ts AND a.project_id <> ALL($1::text[])
  GROUP BY a.project_id
  ORDER BY min(a.reconcile_at)
  LIMIT $2::int
),
open AS MATERIALIZED (
  SELECT a.id
  FROM attempt a
  WHERE a.reconcile_at IS NOT NULL AND a.project_id IN (SELECT project_id FROM due_projects)
  ORDER BY a.id
  FOR UPDATE OF a SKIP LOCKED
),
claimed AS (
  UPDATE attempt a
  SET reconcile_at = clock.ts + make_interval(secs => $3::float8 / 1000)
  FROM open, clock
  WHERE a.id = open.id
  RETURNING a.*
)
SELECT
  c.id::text AS "attemptId",
  c.number AS "attemptNumber",
  c.reconcile_at::text AS "claim",
  extract(epoch FROM clock.ts - c.uncertain_at)::float8 * 1000 AS "ageMs",
  c.started_at AS "startedAt",
  c.uncertain_at AS "uncertainAt",
  c.http_status AS "httpStatus",
  c.error_code AS "errorCode",
  c.evidence AS "evidence",
  c.listings_without AS "listingsWithout",
  c.project_id AS "projectId",
  r.request_id AS "requestId",
  r.attempts AS "attempts",
  r.spec AS "spec",
  r.min_count AS "minCount",
  r.max_count AS "maxCount",
  r.correlation_id AS "correlationId",
  r.traceparent AS "traceparent",
  r.tracestate AS "tracestate"
FROM claimed c
JOIN provision_request r ON r.id = c.provision_request_id
CROSS JOIN clock
ORDER BY c.id
`

export interface UncertainAttempt {
  attemptId: string
  attemptNumber: number
  /** The fence of this claim: reconcile_at as text. */
  claim: string
  /** Milliseconds since the outcome became unknown. */
  ageMs: number
  startedAt: Date
  uncertainAt: Date
  /** What the call's answer said, null where none came. */
  httpStatus: number | null
  errorCode: string | null
  evidence: unknown
  /** Complete listings so far that did not show it. */
  listingsWithout: number
  projectId: string
  requestId: string
  /** Attempts of the request that may have reached CloudDC, this one included. */
  attempts: number
  spec: Record<string, unknown>
  minCount: number
  maxCount: number
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
}

export function claimUncertain(
  sql: Sql,
  params: { exceptProjects: readonly string[]; maxProjects: number; moveOnMs: number },
): Promise<UncertainAttempt[]> {
  return sql.query(CLAIM_UNCERTAIN, params.exceptProjects, params.maxProjects, params.moveOnMs)
}
