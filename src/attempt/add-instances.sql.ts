import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { CHANGED_AT, insertSegment, withChange } from '../request/change.sql.ts'
import type { Change } from '../request/history.ts'
import { byId } from '../runtime/by-id.ts'
import { insertPolls } from './insert-polls.sql.ts'
import type { PollTimes } from './settle-attempts.sql.ts'

/**
 * Writes down instances that turned up although no outcome told of them, in the history of requests that are still in
 * the version the caller saw. Where they belong to the request, they get their rows and polls and are counted; its state
 * stays, also one it has ended in. The rows come sorted by id, so that statements of several replicas cannot deadlock.
 *
 * An instance belongs to one attempt: if one has a row already, all rows are refused (isTaken).
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 rows as JSON, $2 milliseconds to the first poll of an instance, $3 milliseconds to the time limit of an instance.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i("id" uuid, "version" int4, "attempt" int4, "change" json, "instanceIds" text[])
),
changed AS (
  UPDATE provision_request r
  SET
    version = r.version + 1,
    created_count = r.created_count + cardinality(i."instanceIds"),
    instance_ids = r.instance_ids || i."instanceIds",
    updated_at = ${CHANGED_AT},
    history = ${withChange('i."change"::text')}
  FROM input i
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
  CROSS JOIN clock
  WHERE r.id = i."id" AND r.version = i."version"
  RETURNING r.id, r.project_id, r.version, i."attempt", i."instanceIds"
),
born AS (
  INSERT INTO instance (project_id, id, provision_request_id, attempt, created_at, state)
  SELECT c.project_id, n.id, c.id, c."attempt", clock.ts, 'pending'
  FROM changed c
  CROSS JOIN clock
  CROSS JOIN LATERAL unnest(c."instanceIds") AS n(id)
),
polled AS (
  ${insertPolls({
    from: 'FROM (SELECT c.project_id, unnest(c."instanceIds") AS id FROM changed c) n',
    firstPollMs: '$2::float8',
    timeoutMs: '$3::float8',
  })}
),
segment AS (
  ${insertSegment({ from: 'FROM changed c', id: 'c.id', version: 'c.version' })}
)
SELECT c.id::text AS "id"
FROM changed c
`

export interface UnexpectedRow {
  id: string
  /** As the caller saw it: the fence. */
  version: number
  /** Number of the attempt whose marker they carry. */
  attempt: number
  change: Change
  /** Those that belong to the request. */
  instanceIds: readonly string[]
}

/** Returns the ids of the requests that were still as the caller saw them. */
export async function addInstances(
  { throughPrisma }: ThroughPrisma,
  rows: readonly UnexpectedRow[],
  { firstPollMs, provisionTimeoutMs }: PollTimes,
): Promise<Set<string>> {
  const input = rows.toSorted(byId)
  const changed = await throughPrisma.query<{ id: string }>(
    TEXT,
    toJson(input),
    firstPollMs,
    provisionTimeoutMs,
  )
  return new Set(changed.map(({ id }) => id))
}
