import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { CHANGED_AT } from '../request/event-list.sql.ts'
import { INSTANCE_NOT_FOUND } from '../request/instance.ts'
import { pollOnGrid } from './poll-grid.sql.ts'

/** Which attempts own the given instances. $1 project, $2 instance ids. */
const FIND_OWNERS = `
SELECT n.id AS "id", n.attempt_id::text AS "attemptId"
FROM instance n
WHERE n.project_id = $1 AND n.id = ANY($2::text[])
`

/**
 * Instances with the id of an attempt of ours whose outcome is settled, yet without a row, and not reported before.
 * An attempt in flight or uncertain naturally has instances without rows; an attempt unknown here belongs to another
 * service, or was deleted long ago. $1 project, $2 instance ids, $3 the attempt ids in them.
 */
const FIND_UNEXPECTED = `
SELECT i.instance_id AS "id", a.id::text AS "attemptId"
FROM unnest($2::text[], $3::uuid[]) AS i(instance_id, attempt_id)
JOIN attempt a ON a.id = i.attempt_id AND a.project_id = $1
WHERE a.state NOT IN ('in_flight', 'uncertain')
  AND NOT EXISTS (SELECT 1 FROM instance n WHERE n.project_id = $1 AND n.id = i.instance_id)
  AND NOT coalesce(a.evidence->'unexpected' @> to_jsonb(i.instance_id), false)
`

/** Locks attempts, in order of id. $1 ids. */
const LOCK_ATTEMPTS = `
SELECT
  a.id::text AS "attemptId",
  a.number AS "attemptNumber",
  a.state::text AS "state",
  a.provision_request_id::text AS "provisionRequestId",
  coalesce(a.evidence->'unexpected', '[]'::jsonb) AS "unexpected",
  (
    SELECT count(*)
    FROM instance n
    WHERE n.provision_request_id = a.provision_request_id AND n.error_code = '${INSTANCE_NOT_FOUND}'
  )::int AS "absent"
FROM attempt a
WHERE a.id = ANY($1::uuid[])
ORDER BY a.id
FOR UPDATE OF a
`

/** Keeps instances in an attempt's evidence. $1 attempt, $2 all unexpected instances as JSON. */
const KEEP_UNEXPECTED = `
UPDATE attempt
SET evidence = coalesce(evidence, '{}'::jsonb) || jsonb_build_object('unexpected', $2::jsonb)
WHERE id = $1::uuid
`

/**
 * Adds late instances to the request of an attempt that made others; the transaction has locked it. Their first poll
 * falls on the grid of claim-instances. $1 request, $2 attempt, $3 instances as JSON, $4 milliseconds to the first
 * poll.
 */
const ADD_INSTANCES = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
born AS (
  INSERT INTO instance (project_id, id, provision_request_id, attempt_id, name, state, created_at, next_poll_at)
  SELECT r.project_id, n."id", r.id, $2::uuid, n."name", 'pending', clock.ts,
    ${pollOnGrid('$4::float8')}
  FROM provision_request r
  CROSS JOIN json_to_recordset($3::json) AS n("id" text, "name" text)
  CROSS JOIN clock
  WHERE r.id = $1::uuid
  ON CONFLICT (project_id, id) DO NOTHING
  RETURNING id
),
counted AS (
  UPDATE provision_request r
  SET
    created_count = r.created_count + (SELECT count(*) FROM born)::int,
    updated_at = ${CHANGED_AT}
  FROM clock
  WHERE r.id = $1::uuid AND EXISTS (SELECT 1 FROM born)
)
SELECT id AS "id"
FROM born
`

export interface UnexpectedInstance {
  id: string
  attemptId: string
}

export interface LockedAttempt {
  attemptId: string
  attemptNumber: number
  state: 'in_flight' | 'created' | 'not_created' | 'uncertain' | 'adopted' | 'void'
  provisionRequestId: string
  /** Instance ids reported before. */
  unexpected: string[]
  /** Instances of its request that were named and do not exist. */
  absent: number
}

/** By instance id, the attempt that owns it; instances without a row are absent. */
export async function findOwners(
  sql: Sql,
  projectId: string,
  instanceIds: readonly string[],
): Promise<Map<string, string>> {
  if (instanceIds.length === 0) return new Map()
  const rows = await sql.query<UnexpectedInstance>(FIND_OWNERS, projectId, instanceIds)
  return new Map(rows.map((row) => [row.id, row.attemptId]))
}

export async function findUnexpected(
  sql: Sql,
  projectId: string,
  marked: readonly UnexpectedInstance[],
): Promise<UnexpectedInstance[]> {
  if (marked.length === 0) return []
  const ids = marked.map((instance) => instance.id)
  const attemptIds = marked.map((instance) => instance.attemptId)
  return sql.query(FIND_UNEXPECTED, projectId, ids, attemptIds)
}

export function lockAttempts(sql: Sql, ids: readonly string[]): Promise<LockedAttempt[]> {
  return sql.query(LOCK_ATTEMPTS, ids)
}

export async function keepUnexpected(
  sql: Sql,
  attemptId: string,
  instanceIds: readonly string[],
): Promise<void> {
  await sql.query(KEEP_UNEXPECTED, attemptId, toJson(instanceIds))
}

/** Returns the ids that were added. */
export async function addInstances(
  sql: Sql,
  params: {
    provisionRequestId: string
    attemptId: string
    instances: readonly { id: string; name: string | null }[]
    firstPollMs: number
  },
): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    ADD_INSTANCES,
    params.provisionRequestId,
    params.attemptId,
    toJson(params.instances),
    params.firstPollMs,
  )
  return rows.map((row) => row.id)
}
