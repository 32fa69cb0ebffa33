import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { byId } from '../runtime/by-id.ts'
import { CHANGED_AT, insertSegment, withChange } from './change.sql.ts'
import type { Change } from './history.ts'
import type { RequestState } from './provision-request.ts'

/**
 * Changes requests that are still in the version the caller saw: ends them, or only adds to their history, and stores
 * the events that either owes. The rows come sorted by id, so that statements of several replicas cannot deadlock.
 *
 * For `one_row_hint` see claim-requests.
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
    "id" uuid, "version" int4, "to" request_state, "change" json, "errorCode" text, "errorMessage" text
  )
),
changed AS (
  UPDATE provision_request r
  SET
    state = coalesce(i."to", r.state),
    previous_state = CASE WHEN i."to" IS NULL THEN r.previous_state ELSE r.state END,
    version = r.version + 1,
    queue_rank = CASE WHEN i."to" IS NULL THEN r.queue_rank END,
    retry_at = CASE WHEN i."to" IS NULL THEN r.retry_at END,
    held_rank = CASE WHEN i."to" IS NULL THEN r.held_rank END,
    held_for = CASE WHEN i."to" IS NULL THEN r.held_for END,
    expires_at = CASE WHEN i."to" IS NULL THEN r.expires_at END,
    sealed_password = CASE WHEN i."to" IS NULL THEN r.sealed_password END,
    error_code = coalesce(i."errorCode", r.error_code),
    error_message = coalesce(i."errorMessage", r.error_message),
    error_at = CASE WHEN i."errorCode" IS NULL THEN r.error_at ELSE ${CHANGED_AT} END,
    password_trace = CASE WHEN i."to" IS NULL THEN r.password_trace END,
    completed_at = CASE WHEN i."to" IS NULL THEN r.completed_at ELSE ${CHANGED_AT} END,
    exception_state = coalesce(i."to", r.exception_state),
    updated_at = ${CHANGED_AT},
    history = ${withChange('i."change"::text')}
  FROM input i
  JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
  CROSS JOIN clock
  WHERE r.id = i."id" AND r.version = i."version"
  RETURNING r.id, r.version
),
segment AS (
  ${insertSegment({ from: 'FROM changed c', id: 'c.id', version: 'c.version' })}
)
SELECT c.id::text AS "id"
FROM changed c
`

/** A change that ends a request before it has instances, or that only adds to its history (`to` null). */
export interface ChangeRow {
  id: string
  /** As the caller saw it: the fence. */
  version: number
  to: Extract<RequestState, 'failed' | 'expired' | 'cancelled'> | null
  change: Change
}

/** Returns the ids of the requests that were still as the caller saw them. */
export async function changeRequests(
  { throughPrisma }: ThroughPrisma,
  rows: readonly ChangeRow[],
): Promise<Set<string>> {
  if (rows.length === 0) return new Set()
  const input = rows
    .map(({ id, version, to, change }) => ({
      id,
      version,
      to,
      change: to === null ? change : { to, ...change },
      errorCode: change.error?.code ?? null,
      errorMessage: change.error?.message ?? null,
    }))
    .sort(byId)
  const changed = await throughPrisma.query<{ id: string }>(TEXT, toJson(input))
  return new Set(changed.map(({ id }) => id))
}
