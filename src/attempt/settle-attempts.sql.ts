import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { appendEvents, CHANGED_AT, type EventRow, eventsOf } from '../request/event-list.sql.ts'
import { PRIORITY_STEP_MINUTES } from '../request/provision-request.ts'
import { pollOnGrid } from './poll-grid.sql.ts'

/**
 * Moves attempts and their requests to what their outcome calls for, stores the instances, and appends history and
 * events, for all rows in one statement.
 *
 * The fence: a row takes effect only while its attempt is still in the state, and in the hands of the replica, that
 * the caller saw. What a successor has settled meanwhile stays as it is, with no event and no history.
 *
 * An instance belongs to one attempt. If any row brings an instance that another attempt has, here or in the table,
 * all rows are refused (isTaken).
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 rows as JSON, $2 minutes that one step of priority is worth, $3 milliseconds to the first poll of an
 * instance, which falls on the grid of claim-instances, $4 their instances and $5 their events as JSON: one list each,
 * since a list inside every row would cost as much as the row's updates.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "attemptId" uuid, "replicaId" uuid, "from" attempt_state, "to" attempt_state, "httpStatus" int4,
    "errorCode" text, "errorMessage" text, "upstreamRequestId" text, "evidence" jsonb, "reconcileInMs" float8, "auditInMs" float8, "listingsWithout" int4,
    "requestState" request_state, "cause" text, "failed" boolean, "refund" int4, "retryInMs" float8,
    "instanceCount" int4
  )
),
locked AS MATERIALIZED (
  SELECT a.id
  FROM input i
  JOIN LATERAL (SELECT i."attemptId" OFFSET 0) one_row_hint ON one_row_hint."attemptId" = i."attemptId"
  JOIN attempt a ON a.id = i."attemptId"
  WHERE a.state = i."from" AND a.replica_id IS NOT DISTINCT FROM i."replicaId"
  ORDER BY a.id
  FOR UPDATE OF a
),
settled AS (
  UPDATE attempt a
  SET
    state = i."to",
    replica_id = NULL,
    finished_at = CASE WHEN i."to" = 'uncertain' THEN NULL ELSE clock.ts END,
    http_status = coalesce(i."httpStatus", a.http_status),
    error_code = coalesce(i."errorCode", a.error_code),
    error_message = coalesce(i."errorMessage", a.error_message),
    upstream_request_id = coalesce(i."upstreamRequestId", a.upstream_request_id),
    evidence = coalesce(i."evidence", a.evidence),
    uncertain_at = CASE WHEN i."to" = 'uncertain' THEN coalesce(a.uncertain_at, clock.ts) ELSE a.uncertain_at END,
    reconcile_at = clock.ts + make_interval(secs => i."reconcileInMs" / 1000),
    audit_at = clock.ts + make_interval(secs => i."auditInMs" / 1000),
    listings_without = coalesce(i."listingsWithout", a.listings_without)
  FROM locked l
  JOIN input i ON i."attemptId" = l.id
  CROSS JOIN clock
  WHERE a.id = l.id
  RETURNING a.id, a.provision_request_id, a.project_id
),
born AS (
  INSERT INTO instance (project_id, id, provision_request_id, attempt_id, name, state, created_at, next_poll_at)
  SELECT s.project_id, n."id", s.provision_request_id, s.id, n."name", 'pending', clock.ts,
    ${pollOnGrid('$3::float8')}
  FROM settled s
  JOIN json_to_recordset($4::json) AS n("attemptId" uuid, "id" text, "name" text) ON n."attemptId" = s.id
  CROSS JOIN clock
),
moved AS (
  UPDATE provision_request r
  SET
    state = i."requestState",
    version = r.version + 1,
    sealed_password = CASE WHEN i."requestState" IN ('queued', 'uncertain') THEN r.sealed_password END,
    queue_rank = CASE
      WHEN i."requestState" = 'queued' AND i."retryInMs" IS NULL
      THEN r.created_at - make_interval(mins => r.priority * $2::int)
    END,
    retry_at = CASE
      WHEN i."requestState" = 'queued' THEN clock.ts + make_interval(secs => i."retryInMs" / 1000)
    END,
    expires_at = CASE WHEN i."requestState" = 'queued' THEN r.deadline END,
    attempts = r.attempts - i."refund",
    created_count = r.created_count + i."instanceCount",
    error_code = CASE WHEN i."failed" THEN i."errorCode" END,
    error_message = CASE WHEN i."failed" THEN i."errorMessage" END,
    error_at = CASE WHEN i."failed" THEN ${CHANGED_AT} END,
    dispatched_at = CASE WHEN i."requestState" = 'provisioning' THEN coalesce(r.dispatched_at, ${CHANGED_AT}) ELSE r.dispatched_at END,
    completed_at = CASE WHEN i."failed" THEN ${CHANGED_AT} END,
    exception_state = CASE WHEN i."failed" THEN i."requestState" END,
    updated_at = ${CHANGED_AT}
  FROM settled s
  JOIN input i ON i."attemptId" = s.id
  CROSS JOIN clock
  WHERE r.id = s.provision_request_id
  RETURNING r.id, r.project_id, r.version, r.state, r.updated_at, s.id AS attempt_id
),
recorded AS (
  INSERT INTO transition (provision_request_id, version, at, from_state, to_state, cause, attempt_id, evidence)
  SELECT m.id, m.version, m.updated_at, CASE WHEN i."from" = 'in_flight' THEN 'dispatching' ELSE 'uncertain' END::request_state,
    m.state, i."cause", m.attempt_id, i."evidence"
  FROM moved m
  JOIN input i ON i."attemptId" = m.attempt_id
),
events AS (
  ${appendEvents({ list: '$5', join: 'JOIN moved m ON m.attempt_id = e."of"', time: 'm.updated_at' })}
)
SELECT
  m.attempt_id::text AS "attemptId",
  m.id::text AS "provisionRequestId",
  m.project_id AS "projectId"
FROM moved m
`

export interface SettleRow {
  attemptId: string
  /** The replica that has the attempt in flight; null for an uncertain attempt. */
  replicaId: string | null
  from: 'in_flight' | 'uncertain'
  to: 'created' | 'not_created' | 'uncertain' | 'adopted' | 'void'
  httpStatus: number | null
  errorCode: string | null
  errorMessage: string | null
  /** CloudDC's id of the call, where an answer named one. */
  upstreamRequestId?: string
  evidence: unknown
  /** To the reconciler's first look; for `uncertain` only. */
  reconcileInMs: number | null
  /** To a last look for late instances; for `adopted` and `void`. */
  auditInMs: number | null
  listingsWithout: number | null
  requestState: 'provisioning' | 'queued' | 'uncertain' | 'failed'
  cause: string
  /** The request ends here, with errorCode and errorMessage. */
  failed: boolean
  /** 1 when the attempt cannot have reached CloudDC and costs nothing. */
  refund: 0 | 1
  /** For `queued`: null queues at once. */
  retryInMs: number | null
  instances: readonly { id: string; name: string | null }[]
  events: readonly EventRow[]
}

export interface SettledAttempt {
  attemptId: string
  provisionRequestId: string
  projectId: string
}

/** Returns the attempts that took effect; the others were settled by another replica. */
export function settleAttempts(
  sql: Sql,
  rows: readonly SettleRow[],
  firstPollMs: number,
): Promise<SettledAttempt[]> {
  return sql.query(
    TEXT,
    toJson(rows.map(({ instances, events: _, ...row }) => ({ ...row, instanceCount: instances.length }))),
    PRIORITY_STEP_MINUTES,
    firstPollMs,
    toJson(rows.flatMap(({ attemptId, instances }) => instances.map((one) => ({ attemptId, ...one })))),
    eventsOf(rows, ({ attemptId }) => attemptId),
  )
}
