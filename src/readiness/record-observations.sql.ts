import { pollOnGrid } from '../attempt/insert-polls.sql.ts'
import type { NetworkInterface } from '../contracts/event-schemas.ts'
import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { CHANGED_AT, inMs, insertSegment, withChange } from '../request/change.sql.ts'
import { byId } from '../runtime/by-id.ts'
import { formatMember, type PollMember } from './poll-member.ts'
import type { RequestChange } from './request-change.ts'

/**
 * Records what polls found: instances, the counts of their requests, their end, its events, and the polls of those
 * still pending.
 *
 * held       the fence: while one of the polls is not held any more, nothing is recorded. A late answer of a paused
 *            replica changes nothing
 * changed    requests that are still in the version that the change was made for. Of two statements that see the last two
 *            instances of a request run, the second finds another version and must look again
 * times      of the changes by request: to join them with hundreds of instances would compare each with each
 * observed   instances that are pending; one that ends does so with its request's change
 * settled    polls all of whose changes took effect. The others stay as they are
 * waiting    instances that were first seen to run and are not listed so yet: in a poll of their own, due soon
 *
 * Requests come sorted by id, so that statements of several replicas cannot deadlock.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 polls, $2 changes of requests, $3 instances, each as JSON, $4 milliseconds to the first poll of one that waits to be
 * listed, $5 milliseconds for which it may wait.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
polls AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "id" uuid, "projectId" text, "members" text[], "limitMs" float8, "waiting" text[],
    "requestIds" uuid[]
  )
),
held AS MATERIALIZED (
  SELECT p.id
  FROM poll p
  WHERE p.id IN (SELECT "id" FROM polls)
  FOR UPDATE OF p
),
fence AS MATERIALIZED (
  SELECT (SELECT count(*) FROM held) = (SELECT count(*) FROM polls) AS holds
),
changed AS (
  UPDATE provision_request r
  SET
    state = coalesce(i."to", r.state),
    previous_state = CASE WHEN i."to" IS NULL THEN r.previous_state ELSE r.state END,
    version = r.version + 1,
    running_count = r.running_count + i."running",
    failed_count = r.failed_count + i."failed",
    error_code = coalesce(i."errorCode", r.error_code),
    error_message = coalesce(i."errorMessage", r.error_message),
    error_at = CASE WHEN i."errorCode" IS NULL THEN r.error_at ELSE ${CHANGED_AT} END,
    password_trace = CASE WHEN i."to" IS NULL THEN r.password_trace END,
    completed_at = CASE WHEN i."to" IS NULL THEN r.completed_at ELSE ${CHANGED_AT} END,
    exception_state = CASE WHEN i."to" <> 'running' THEN i."to" ELSE r.exception_state END,
    updated_at = ${CHANGED_AT},
    history = CASE
      WHEN i."to" IS NULL THEN r.history
      ELSE ${withChange('i."change"::text')}
    END
  FROM json_to_recordset($2::json) AS i(
    "id" uuid, "version" int4, "to" request_state, "running" int4, "failed" int4, "ended" text, "change" json,
    "errorCode" text, "errorMessage" text
  )
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
  CROSS JOIN clock
  WHERE r.id = i."id" AND r.version = i."version" AND (SELECT holds FROM fence)
  RETURNING r.id, r.version, r.updated_at, i."ended"
),
times AS MATERIALIZED (
  SELECT jsonb_object_agg(c.id, c.updated_at) AS of FROM changed c
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
    ended_version = i."endedVersion",
    ended_at = CASE WHEN i."state" <> 'pending' THEN (times.of->>i."provisionRequestId")::timestamptz END
  FROM json_to_recordset($3::json) AS i(
    "projectId" text, "id" text, "provisionRequestId" text, "endedVersion" int4, "state" instance_state, "ran" boolean, "name" text,
    "serverId" text, "imageId" text, "networkInterfaces" jsonb, "upstreamState" text, "errorCode" text,
    "errorMessage" text
  )
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
  CROSS JOIN times
  CROSS JOIN clock
  WHERE n.project_id = i."projectId" AND n.id = i."id" AND n.state = 'pending'
    AND (i."state" = 'pending' OR times.of ? i."provisionRequestId") AND (SELECT holds FROM fence)
),
settled AS MATERIALIZED (
  SELECT p.*
  FROM polls p
  WHERE (SELECT holds FROM fence)
    AND NOT EXISTS (SELECT FROM unnest(p."requestIds") AS needed(id) WHERE needed.id NOT IN (SELECT id FROM changed))
),
emptied AS (
  DELETE FROM poll p
  USING settled s
  WHERE p.id = s."id" AND s."members" = '{}'
),
kept AS (
  UPDATE poll p
  SET members = s."members", limit_at = to_timestamp(s."limitMs" / 1000)
  FROM settled s
  WHERE p.id = s."id" AND s."members" <> '{}'
),
waiting AS (
  INSERT INTO poll (id, project_id, due_at, limit_at, members)
  SELECT gen_random_uuid(), s."projectId", ${pollOnGrid('$4::float8')}, clock.ts + make_interval(secs => $5::float8 / 1000),
    ARRAY(SELECT json_build_array(m->0, m->1, ${inMs('clock.ts')}, m->3)::text FROM unnest(s."waiting"::json[]) m)
  FROM settled s
  CROSS JOIN clock
  WHERE cardinality(s."waiting") > 0
),
segment AS (
  ${insertSegment({ from: 'FROM changed c', id: 'c.id', version: 'c.version', instances: 'c."ended"' })}
)
SELECT
  ARRAY(SELECT id FROM held)::text[] AS "held",
  ARRAY(SELECT "id" FROM settled)::text[] AS "settled",
  ARRAY(SELECT id FROM changed)::text[] AS "changed"
`

/** A poll after its answer. */
export interface PollRow {
  id: string
  projectId: string
  /** Those of its members that stay in it; with none the row goes. */
  members: readonly PollMember[]
  /** When the first time limit of a member is over, in milliseconds since 1970. */
  limitMs: number | null
  /** Members that were first seen to run, and are not listed so yet: they ran now. */
  waiting: readonly PollMember[]
  /** The requests whose change the row depends on. */
  requestIds: readonly string[]
}

export interface ObservedRow {
  projectId: string
  id: string
  provisionRequestId: string
  state: 'pending' | 'running' | 'failed'
  /** CloudDC says, or has said, that it runs. */
  ran: boolean
  name: string | null
  serverId: string | null
  imageId: string | null
  networkInterfaces: readonly NetworkInterface[] | null
  upstreamState: string | null
  errorCode: string | null
  errorMessage: string | null
}

export interface ObservationRows {
  polls: readonly PollRow[]
  /** Of the instances that have ended. */
  requests: readonly RequestChange[]
  instances: readonly ObservedRow[]
}

export interface RecordedRows {
  /** Ids of the polls that were held; where one was not, nothing is recorded. */
  held: string[]
  /** Ids of the polls of whose answer nothing is left to record. */
  settled: string[]
  /** Ids of the requests that were still in their version. */
  changed: string[]
}

export async function recordObservations(
  sql: Sql,
  { polls, requests, instances }: ObservationRows,
  { waitingPollMs, serverWaitMs }: { waitingPollMs: number; serverWaitMs: number },
): Promise<RecordedRows> {
  const changes = requests.map(({ ended, change, ...row }) => ({
    ...row,
    change,
    ended: ended.map((id) => `,${toJson(id)}`).join(''),
    errorCode: change?.error?.code ?? null,
    errorMessage: change?.error?.message ?? null,
  }))
  changes.sort(byId)
  const rows = polls.map(({ members, waiting, ...row }) => ({
    ...row,
    members: members.map(formatMember),
    waiting: waiting.map(formatMember),
  }))
  const versions = new Map(requests.map(({ id, version }) => [id, version + 1]))
  const observed = instances.map((instance) => ({
    ...instance,
    endedVersion: instance.state === 'pending' ? null : versions.get(instance.provisionRequestId),
  }))
  const [recorded] = await sql.query<RecordedRows>(
    TEXT,
    toJson(rows),
    toJson(changes),
    toJson(observed),
    waitingPollMs,
    serverWaitMs,
  )
  if (recorded === undefined) throw new Error('the record told nothing')
  return recorded
}
