import type { RequestState } from '../../domain/provision-request.ts'
import type { Sql } from '../database.ts'

/**
 * Records what polls found. An instance takes it only while it is pending and no later poll has been claimed: an
 * answer that a paused replica brings late changes nothing. A poll that found nothing new writes nothing.
 *
 * The requests of instances that have ended are locked first, in order of id, and returned in their newest version, so
 * that of two transactions that see the last two instances of a request run, the second knows of the first.
 *
 * For `few` see claim-requests.
 *
 * $1 rows as JSON, $2 requests to lock.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT i.*
  FROM json_to_recordset($1::json) AS i(
    "projectId" text, "id" text, "polls" int4, "state" instance_state, "name" text, "serverId" text,
    "upstreamState" text, "errorCode" text, "errorMessage" text
  )
  JOIN LATERAL (SELECT i."id" OFFSET 0) few USING ("id")
),
locked AS MATERIALIZED (
  SELECT r.*
  FROM provision_request r
  WHERE r.id = ANY($2::uuid[])
  ORDER BY r.id
  FOR UPDATE OF r
),
observed AS (
  UPDATE instance n
  SET
    state = i."state",
    name = coalesce(i."name", n.name),
    server_id = coalesce(i."serverId", n.server_id),
    upstream_state = coalesce(i."upstreamState", n.upstream_state),
    error_code = i."errorCode",
    error_message = i."errorMessage",
    running_at = CASE WHEN i."state" = 'running' THEN clock.ts END,
    failed_at = CASE WHEN i."state" = 'failed' THEN clock.ts END,
    next_poll_at = CASE WHEN i."state" = 'pending' THEN n.next_poll_at END
  FROM input i
  CROSS JOIN clock
  WHERE n.project_id = i."projectId" AND n.id = i."id" AND n.state = 'pending' AND n.polls = i."polls"
    AND (
      i."state" <> 'pending'
      OR (coalesce(i."name", n.name), coalesce(i."serverId", n.server_id), coalesce(i."upstreamState", n.upstream_state))
        IS DISTINCT FROM (n.name, n.server_id, n.upstream_state)
    )
    -- Always true; it makes the locks come first.
    AND (SELECT count(*) FROM locked) >= 0
  RETURNING n.*, extract(epoch FROM clock.ts - n.created_at)::float8 * 1000 AS age_ms
)
SELECT
  o.id AS "id",
  o.state::text AS "state",
  o.name AS "name",
  o.server_id AS "serverId",
  o.running_at AS "runningAt",
  o.error_code AS "errorCode",
  o.error_message AS "errorMessage",
  o.age_ms AS "ageMs",
  o.provision_request_id::text AS "provisionRequestId",
  o.project_id AS "projectId",
  l.request_id AS "requestId",
  l.state::text AS "requestState",
  l.min_count AS "minCount",
  l.max_count AS "maxCount",
  l.created_count AS "createdCount",
  l.running_count AS "runningCount",
  l.failed_count AS "failedCount",
  l.correlation_id AS "correlationId",
  l.traceparent AS "traceparent",
  l.tracestate AS "tracestate"
FROM observed o
JOIN locked l ON l.id = o.provision_request_id
WHERE o.state <> 'pending'
`

export interface ObservationRow {
  projectId: string
  id: string
  provisionRequestId: string
  /** As claimed. */
  polls: number
  state: 'pending' | 'running' | 'failed'
  name: string | null
  serverId: string | null
  upstreamState: string | null
  errorCode: string | null
  errorMessage: string | null
}

/** An instance that has ended, and its request as it was before. */
export interface EndedInstance {
  id: string
  state: 'running' | 'failed'
  name: string | null
  serverId: string | null
  runningAt: Date | null
  errorCode: string | null
  errorMessage: string | null
  /** Milliseconds since it was created. */
  ageMs: number
  provisionRequestId: string
  projectId: string
  requestId: string
  requestState: RequestState
  minCount: number
  maxCount: number
  createdCount: number
  runningCount: number
  failedCount: number
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
}

/** Returns the instances that have ended with their observation. */
export function recordObservations(sql: Sql, rows: readonly ObservationRow[]): Promise<EndedInstance[]> {
  const ended = rows.filter((row) => row.state !== 'pending')
  return sql.query(TEXT, JSON.stringify(rows), [...new Set(ended.map((row) => row.provisionRequestId))])
}
