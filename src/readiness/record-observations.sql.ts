import { pollOnGrid } from '../attempt/poll-grid.sql.ts'
import type { NetworkInterface } from '../contracts/events.ts'
import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { RequestState } from '../request/provision-request.ts'

/**
 * Records what polls found. An instance takes it only while it is pending and no later poll has been claimed: a late
 * answer of a paused replica changes nothing. A poll that found nothing new writes nothing. An instance that runs and
 * is not listed so yet stays pending; from the first such answer on it is polled soon.
 *
 * The requests of instances that have ended are locked first, in order of id, and returned in their newest version, so
 * that of two transactions that see the last two instances of a request run, the second knows of the first.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 rows as JSON, $2 requests to lock, $3 milliseconds to the next poll of an instance that only waits to be listed.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT i.*
  FROM json_to_recordset($1::json) AS i(
    "projectId" text, "id" text, "polls" int4, "state" instance_state, "ran" boolean, "name" text, "serverId" text,
    "imageId" text, "networkInterfaces" jsonb, "upstreamState" text, "errorCode" text, "errorMessage" text
  )
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint USING ("id")
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
    image_id = coalesce(i."imageId", n.image_id),
    network_interfaces = coalesce(i."networkInterfaces", n.network_interfaces),
    upstream_state = coalesce(i."upstreamState", n.upstream_state),
    error_code = i."errorCode",
    error_message = i."errorMessage",
    running_at = CASE WHEN i."ran" THEN coalesce(n.running_at, clock.ts) END,
    failed_at = CASE WHEN i."state" = 'failed' THEN clock.ts END,
    next_poll_at = CASE
      WHEN i."state" <> 'pending' THEN NULL
      WHEN i."ran" AND n.running_at IS NULL THEN least(n.next_poll_at, ${pollOnGrid('$3::float8')})
      ELSE n.next_poll_at
    END
  FROM input i
  CROSS JOIN clock
  WHERE n.project_id = i."projectId" AND n.id = i."id" AND n.state = 'pending' AND n.polls = i."polls"
    AND (
      i."state" <> 'pending'
      OR i."ran" <> (n.running_at IS NOT NULL)
      OR (
        coalesce(i."name", n.name), coalesce(i."serverId", n.server_id), coalesce(i."imageId", n.image_id),
        coalesce(i."networkInterfaces", n.network_interfaces), coalesce(i."upstreamState", n.upstream_state)
      ) IS DISTINCT FROM (n.name, n.server_id, n.image_id, n.network_interfaces, n.upstream_state)
    )
    -- Always true; it makes the locks come first.
    AND (SELECT count(*) FROM locked) >= 0
  RETURNING n.*, extract(epoch FROM coalesce(n.running_at, clock.ts) - n.created_at)::float8 * 1000 AS age_ms
)
SELECT
  o.id AS "id",
  o.state::text AS "state",
  o.name AS "name",
  o.server_id AS "serverId",
  o.image_id AS "imageId",
  o.network_interfaces AS "networkInterfaces",
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
  /** CloudDC says, or has said, that it runs. Pending then means that it waits to be listed so. */
  ran: boolean
  name: string | null
  serverId: string | null
  imageId: string | null
  networkInterfaces: readonly NetworkInterface[] | null
  upstreamState: string | null
  errorCode: string | null
  errorMessage: string | null
}

/** An instance that has ended, and its request as it was before. */
export type EndedInstance = EndedFacts &
  ({ state: 'running'; runningAt: Date } | { state: 'failed'; runningAt: null })

interface EndedFacts {
  id: string
  name: string | null
  serverId: string | null
  imageId: string | null
  networkInterfaces: NetworkInterface[] | null
  errorCode: string | null
  errorMessage: string | null
  /** Milliseconds from its creation to its end. */
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
export function recordObservations(
  sql: Sql,
  rows: readonly ObservationRow[],
  serverPollMs: number,
): Promise<EndedInstance[]> {
  const ended = rows.filter((row) => row.state !== 'pending')
  const requestIds = [...new Set(ended.map((row) => row.provisionRequestId))]
  return sql.query(TEXT, toJson(rows), requestIds, serverPollMs)
}
