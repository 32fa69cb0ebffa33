import type { Sql } from '../database.ts'

/**
 * Records what polls found. An instance takes it only while it is pending and no later poll has been claimed: an
 * answer that a paused replica brings late changes nothing.
 *
 * For `few` see claim-requests.
 *
 * $1 rows as JSON.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "projectId" text, "id" text, "polls" int4, "state" instance_state, "name" text, "serverId" text,
    "upstreamState" text, "errorCode" text, "errorMessage" text
  )
)
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
JOIN LATERAL (SELECT i."id" OFFSET 0) few ON few."id" = i."id"
CROSS JOIN clock
WHERE n.project_id = i."projectId" AND n.id = i."id" AND n.state = 'pending' AND n.polls = i."polls"
RETURNING
  n.project_id AS "projectId",
  n.id AS "id",
  n.provision_request_id::text AS "provisionRequestId",
  n.state::text AS "state",
  n.name AS "name",
  n.server_id AS "serverId",
  n.running_at AS "runningAt",
  n.error_code AS "errorCode",
  n.error_message AS "errorMessage"
`

export interface ObservationRow {
  projectId: string
  id: string
  /** As claimed. */
  polls: number
  state: 'pending' | 'running' | 'failed'
  name: string | null
  serverId: string | null
  upstreamState: string | null
  errorCode: string | null
  errorMessage: string | null
}

export interface ObservedInstance {
  projectId: string
  id: string
  provisionRequestId: string
  state: 'pending' | 'running' | 'failed'
  name: string | null
  serverId: string | null
  runningAt: Date | null
  errorCode: string | null
  errorMessage: string | null
}

/** Returns the instances that took their observation. */
export function recordObservations(sql: Sql, rows: readonly ObservationRow[]): Promise<ObservedInstance[]> {
  return sql.query(TEXT, JSON.stringify(rows))
}
