import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { byId } from '../runtime/by-id.ts'
import type { OpenDoubt } from './open-doubt.ts'

/**
 * Locks the doubts that are still open and still under the caller's claim: an overtaken reconciler decides nothing. In
 * order of id, as claim-doubts locks them. The purpose is compared as text, so that no plan can go by the index of doubts
 * instead of the key. For `one_row_hint` see claim-requests.
 *
 * $1 rows as JSON.
 */
const LOCK_CLAIMED = `
SELECT l.provision_request_id::text AS "id"
FROM json_to_recordset($1::json) AS i("id" uuid, "attempt" int4, "fence" timestamptz)
JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
JOIN look l ON l.provision_request_id = i."id" AND l.attempt = i."attempt"
WHERE l.purpose::text = 'doubt' AND l.due_at = i."fence"
ORDER BY l.provision_request_id
FOR UPDATE OF l
`

/** Stores what looks without a verdict found, and sets the next look. $1 rows as JSON. */
const RECORD = `
WITH input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "id" uuid, "attempt" int4, "fence" timestamptz, "found" text, "listingsWithout" int4, "lookInMs" float8
  )
)
UPDATE look l
SET
  evidence = i."found",
  listings_without = i."listingsWithout",
  due_at = clock_timestamp() + make_interval(secs => i."lookInMs" / 1000)
FROM input i
JOIN LATERAL (SELECT i."id" OFFSET 0) one_row_hint ON one_row_hint."id" = i."id"
WHERE l.provision_request_id = i."id" AND l.attempt = i."attempt"
  AND l.purpose::text = 'doubt' AND l.due_at = i."fence"
`

export interface RecordedLook {
  doubt: Pick<OpenDoubt, 'id' | 'attempt' | 'fence'>
  /** What all looks for it have found (foundBy). */
  found: unknown
  listingsWithout: number
  lookInMs: number
}

/** Returns the ids of the requests whose doubt is still the caller's. */
export async function lockClaimed(
  sql: Sql,
  doubts: readonly Pick<OpenDoubt, 'id' | 'attempt' | 'fence'>[],
): Promise<Set<string>> {
  const input = doubts.map(({ id, attempt, fence }) => ({ id, attempt, fence }))
  const rows = await sql.query<{ id: string }>(LOCK_CLAIMED, toJson(input))
  return new Set(rows.map((row) => row.id))
}

export async function recordLooks(sql: Sql, rows: readonly RecordedLook[]): Promise<void> {
  if (rows.length === 0) return
  const input = rows.map(({ doubt: { id, attempt, fence }, found, ...row }) => ({
    ...{ id, attempt, fence, ...row },
    found: toJson(found),
  }))
  await sql.query(RECORD, toJson(input.toSorted(byId)))
}
