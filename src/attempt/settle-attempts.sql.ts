import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { CHANGED_AT, historyLine, insertSegment } from '../request/change.sql.ts'
import type { AttemptOutcome, Change } from '../request/history.ts'
import { PRIORITY_STEP_MINUTES } from '../request/provision-request.ts'
import { byId } from '../runtime/by-id.ts'
import { insertPolls } from './insert-polls.sql.ts'

/** A history longer than this leaves its row with the next change that puts the request back into the queue. */
const LONG_HISTORY_BYTES = 8192

/**
 * Moves requests to what the outcome of their present attempt calls for, with their history, instances, looks and events,
 * for all rows in one statement.
 *
 * The fence: a row takes effect only while its request is in the state, in the attempt and under the claim that the caller
 * saw. What a successor has settled meanwhile stays as it is, with no event and no history. The rows come sorted by id,
 * so that statements of several replicas cannot deadlock.
 *
 * An instance belongs to one attempt. If any row brings an instance that another attempt has, here or in the table,
 * all rows are refused (isTaken).
 *
 * parted   histories that have outgrown their row. The row's next history begins with this change; a change that came
 *          in between the claim and this one keeps the history together until the next time.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 rows as JSON, $2 minutes that one step of priority is worth, $3 milliseconds to the first poll of an instance, $4
 * milliseconds to the time limit of an instance, $5 claims of which nothing is left to settle.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "id" uuid, "attempt" int4, "from" request_state, "claimId" uuid, "to" request_state, "change" json,
    "partedVersion" int4, "instanceIds" text[], "instanceName" text, "errorCode" text, "errorMessage" text,
    "refund" int4, "retryInMs" float8, "lookPurpose" look_purpose, "lookInMs" float8
  )
),
moved AS (
  UPDATE provision_request r
  SET
    state = i."to",
    previous_state = r.state,
    version = r.version + 1,
    claim_id = NULL,
    sealed_password = CASE WHEN i."to" IN ('queued', 'uncertain') THEN r.sealed_password END,
    password_trace = CASE WHEN i."to" <> 'failed' THEN r.password_trace END,
    queue_rank = CASE
      WHEN i."to" = 'queued' AND i."retryInMs" IS NULL
      THEN r.created_at - make_interval(mins => r.priority * $2::int)
    END,
    retry_at = CASE WHEN i."to" = 'queued' THEN clock.ts + make_interval(secs => i."retryInMs" / 1000) END,
    expires_at = CASE WHEN i."to" = 'queued' THEN r.deadline END,
    attempts = r.attempts - i."refund",
    created_count = r.created_count + cardinality(i."instanceIds"),
    instance_ids = r.instance_ids || i."instanceIds",
    error_code = i."errorCode",
    error_message = i."errorMessage",
    error_at = CASE WHEN i."errorCode" IS NOT NULL THEN ${CHANGED_AT} END,
    dispatched_at = CASE WHEN i."to" = 'provisioning' THEN coalesce(r.dispatched_at, ${CHANGED_AT}) ELSE r.dispatched_at END,
    completed_at = CASE WHEN i."to" = 'failed' THEN ${CHANGED_AT} END,
    exception_state = CASE WHEN i."to" = 'failed' THEN i."to" END,
    updated_at = ${CHANGED_AT},
    history = CASE WHEN i."partedVersion" = r.version THEN '' ELSE r.history END || ${historyLine({ version: '(r.version + 1)', at: CHANGED_AT, change: 'i."change"::text' })}
  FROM input i
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
  CROSS JOIN clock
  WHERE r.id = i."id" AND r.state = i."from" AND r.attempt_number = i."attempt"
    AND r.claim_id IS NOT DISTINCT FROM i."claimId"
  RETURNING r.id, r.project_id, r.request_id, r.version, r.state, r.previous_state, r.attempt_number,
    i."partedVersion", i."instanceIds", i."instanceName", i."lookPurpose", i."lookInMs"
),
parted AS (
  INSERT INTO history_part (provision_request_id, version, history)
  SELECT old.id, old.version, old.history
  FROM moved m
  JOIN provision_request old ON old.id = m.id
  WHERE m."partedVersion" = m.version - 1 AND old.version = m."partedVersion"
),
born AS (
  INSERT INTO instance (project_id, id, provision_request_id, attempt, created_at, state, name)
  SELECT m.project_id, n.id, m.id, m.attempt_number, clock.ts, 'pending', m."instanceName"
  FROM moved m
  CROSS JOIN clock
  CROSS JOIN LATERAL unnest(m."instanceIds") AS n(id)
),
polled AS (
  ${insertPolls({
    from: 'FROM (SELECT m.project_id, unnest(m."instanceIds") AS id FROM moved m) n',
    firstPollMs: '$3::float8',
    timeoutMs: '$4::float8',
  })}
),
resolved AS (
  DELETE FROM look l
  USING moved m
  WHERE l.provision_request_id = m.id AND l.attempt = m.attempt_number AND m.previous_state = 'uncertain'
    AND m."lookPurpose" IS NULL
),
looks AS (
  INSERT INTO look (provision_request_id, attempt, project_id, purpose, due_at)
  SELECT m.id, m.attempt_number, m.project_id, m."lookPurpose", clock.ts + make_interval(secs => m."lookInMs" / 1000)
  FROM moved m
  CROSS JOIN clock
  WHERE m."lookPurpose" IS NOT NULL
  ON CONFLICT (provision_request_id, attempt) DO UPDATE
  SET purpose = excluded.purpose, due_at = excluded.due_at, listings_without = 0, evidence = NULL
),
settled_claims AS (
  DELETE FROM claim c
  WHERE c.id = ANY($5::uuid[])
),
segment AS (
  ${insertSegment({ from: `FROM moved m WHERE m.state <> 'queued'`, id: 'm.id', version: 'm.version' })}
)
SELECT m.id::text AS "id", m.attempt_number AS "attempt", m.project_id AS "projectId", m.request_id AS "requestId"
FROM moved m
`

/** What becomes of a request with the outcome of its present attempt. */
export interface SettleRow {
  /** The request's row. */
  id: string
  /** Number of the attempt. */
  attempt: number
  from: 'dispatching' | 'uncertain'
  /** The claim it was made under; null for one of unknown outcome. */
  claimId: string | null
  to: 'provisioning' | 'queued' | 'uncertain' | 'failed'
  /** Its `to` and `attempt` are those of this row. */
  change: Change & { attempt: number; outcome: AttemptOutcome }
  /** 1 when the attempt cannot have reached CloudDC and costs nothing. */
  refund: 0 | 1
  /** For `queued`: null queues at once. */
  retryInMs: number | null
  /** The instances it created, and the name they were ordered under. */
  instanceIds: readonly string[]
  instanceName: string | null
  /** The listing that is needed next: for `uncertain` always, else to find late instances. */
  look: { purpose: 'doubt' | 'audit'; inMs: number } | null
  /** The request as the claim saw it; decides where a long history is parted. */
  seen?: { version: number; historyBytes: number }
}

export interface SettledAttempt {
  /** The request's row. */
  id: string
  /** Number of the attempt. */
  attempt: number
  projectId: string
  requestId: string
}

export interface PollTimes {
  /** From its creation to an instance's first poll. */
  firstPollMs: number
  /** From its creation to the time by which an instance must run. */
  provisionTimeoutMs: number
}

/** For rows that bring no instances. */
export const NO_POLLS: PollTimes = { firstPollMs: 1, provisionTimeoutMs: 1 }

/**
 * Returns the requests whose row took effect; the others were settled by another replica.
 * `settledClaims`: ids of claims of which no other request is left to settle.
 */
export function settleAttempts(
  sql: Sql,
  rows: readonly SettleRow[],
  { firstPollMs, provisionTimeoutMs }: PollTimes,
  settledClaims: readonly string[] = [],
): Promise<SettledAttempt[]> {
  const input = rows.map(({ change, look, seen, ...row }) => ({
    ...row,
    change: { to: row.to, ...change },
    errorCode: change.error?.code ?? null,
    errorMessage: change.error?.message ?? null,
    partedVersion:
      row.to === 'queued' && seen !== undefined && seen.historyBytes > LONG_HISTORY_BYTES
        ? seen.version
        : null,
    lookPurpose: look?.purpose ?? null,
    lookInMs: look?.inMs ?? null,
  }))
  input.sort(byId)
  return sql.query(TEXT, toJson(input), PRIORITY_STEP_MINUTES, firstPollMs, provisionTimeoutMs, settledClaims)
}
