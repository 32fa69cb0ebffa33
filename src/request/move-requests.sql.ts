import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { appendEvents, CHANGED_AT, type EventRow, eventsOf } from './event-list.sql.ts'
import type { RequestState } from './provision-request.ts'

/**
 * Changes requests that the transaction has locked: counts of ended instances, and where `to` is set the state, with
 * its transition. Appends the events in either case, with the time of the change.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 rows as JSON, $2 their events as JSON.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "id" uuid, "from" request_state, "to" request_state, "cause" text, "evidence" jsonb, "running" int4,
    "failed" int4, "errorCode" text, "errorMessage" text
  )
),
moved AS (
  UPDATE provision_request r
  SET
    state = coalesce(i."to", r.state),
    version = r.version + (i."to" IS NOT NULL)::int,
    running_count = r.running_count + i."running",
    failed_count = r.failed_count + i."failed",
    queue_rank = CASE WHEN i."to" IS NULL THEN r.queue_rank END,
    retry_at = CASE WHEN i."to" IS NULL THEN r.retry_at END,
    expires_at = CASE WHEN i."to" IS NULL THEN r.expires_at END,
    sealed_password = CASE WHEN i."to" IS NULL THEN r.sealed_password END,
    error_code = coalesce(i."errorCode", r.error_code),
    error_message = coalesce(i."errorMessage", r.error_message),
    error_at = CASE WHEN i."errorCode" IS NOT NULL THEN ${CHANGED_AT} ELSE r.error_at END,
    completed_at = CASE WHEN i."to" IS NOT NULL THEN ${CHANGED_AT} ELSE r.completed_at END,
    exception_state = CASE WHEN i."to" <> 'running' THEN i."to" ELSE r.exception_state END,
    updated_at = ${CHANGED_AT}
  FROM input i
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
  CROSS JOIN clock
  WHERE r.id = i."id" AND r.state = i."from"
  RETURNING r.id, r.version, r.updated_at
),
recorded AS (
  INSERT INTO transition (provision_request_id, version, at, from_state, to_state, cause, evidence)
  SELECT m.id, m.version, m.updated_at, i."from", i."to", i."cause", i."evidence"
  FROM moved m
  JOIN input i ON i."id" = m.id
  WHERE i."to" IS NOT NULL
),
events AS (
  ${appendEvents({ list: '$2', join: 'JOIN moved m ON m.id = e."of"', time: 'm.updated_at' })}
)
SELECT m.id::text AS "id"
FROM moved m
`

/** A change that ends a request (`to` is a terminal state), or only counts instances or tells of them (`to` null). */
export interface MoveRow {
  id: string
  from: RequestState
  to: Extract<RequestState, 'running' | 'partially_running' | 'failed' | 'expired' | 'cancelled'> | null
  cause: string
  evidence: unknown
  /** Instances that came to run, and that failed, with this change. */
  running: number
  failed: number
  errorCode: string | null
  errorMessage: string | null
  events: readonly EventRow[]
}

/** Returns the ids of the requests that were still in the state the caller saw. */
export function moveRequests(sql: Sql, rows: readonly MoveRow[]): Promise<{ id: string }[]> {
  return sql.query(
    TEXT,
    toJson(rows.map(({ events: _, ...row }) => row)),
    eventsOf(rows, ({ id }) => id),
  )
}
