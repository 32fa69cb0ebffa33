import type { Sql } from '../database/database.ts'
import type { UncertainAttempt } from './claim-uncertain.sql.ts'

/** Locks the uncertain attempt of one request. $1 project, $2 request. */
const TEXT = `
SELECT
  a.id::text AS "attemptId",
  a.number AS "attemptNumber",
  a.reconcile_at::text AS "claim",
  extract(epoch FROM clock_timestamp() - a.uncertain_at)::float8 * 1000 AS "ageMs",
  a.started_at AS "startedAt",
  a.uncertain_at AS "uncertainAt",
  a.http_status AS "httpStatus",
  a.error_code AS "errorCode",
  a.evidence AS "evidence",
  a.listings_without AS "listingsWithout",
  a.project_id AS "projectId",
  r.request_id AS "requestId",
  r.attempts AS "attempts",
  r.spec AS "spec",
  r.min_count AS "minCount",
  r.max_count AS "maxCount",
  r.correlation_id AS "correlationId",
  r.traceparent AS "traceparent",
  r.tracestate AS "tracestate"
FROM provision_request r
JOIN attempt a ON a.provision_request_id = r.id AND a.state = 'uncertain'
WHERE r.project_id = $1 AND r.request_id = $2
FOR UPDATE OF a
`

/** Null when the request is unknown or has no attempt of unknown outcome. */
export async function lockUncertain(
  sql: Sql,
  { projectId, requestId }: { projectId: string; requestId: string },
): Promise<UncertainAttempt | null> {
  const [row] = await sql.query<UncertainAttempt>(TEXT, projectId, requestId)
  return row ?? null
}
