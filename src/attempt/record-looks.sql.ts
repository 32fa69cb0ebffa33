import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/**
 * Locks the attempts that are still uncertain and still under the caller's claim: an overtaken reconciler decides
 * nothing. In order of id, as settleAttempts locks them. $1 rows as JSON.
 */
const LOCK_CLAIMED = `
SELECT a.id::text AS "attemptId"
FROM attempt a
JOIN json_to_recordset($1::json) AS i("attemptId" uuid, "claim" timestamptz) ON i."attemptId" = a.id
WHERE a.state = 'uncertain' AND a.reconcile_at = i."claim"
ORDER BY a.id
FOR UPDATE OF a
`

/** Stores what looks without a verdict found, and sets the next look. $1 rows as JSON. */
const RECORD = `
WITH input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "attemptId" uuid, "claim" timestamptz, "evidence" jsonb, "listingsWithout" int4, "lookInMs" float8
  )
)
UPDATE attempt a
SET
  evidence = i."evidence",
  listings_without = i."listingsWithout",
  reconcile_at = clock_timestamp() + make_interval(secs => i."lookInMs" / 1000)
FROM input i
WHERE a.id = i."attemptId" AND a.state = 'uncertain' AND a.reconcile_at = i."claim"
`

export interface LookRow {
  attemptId: string
  /** The fence of claimUncertain. */
  claim: string
  evidence: unknown
  listingsWithout: number
  lookInMs: number
}

/** Returns the ids of the attempts whose claim holds. */
export async function lockClaimed(
  sql: Sql,
  claims: readonly { attemptId: string; claim: string }[],
): Promise<Set<string>> {
  const rows = await sql.query<{ attemptId: string }>(
    LOCK_CLAIMED,
    toJson(claims.map(({ attemptId, claim }) => ({ attemptId, claim }))),
  )
  return new Set(rows.map((row) => row.attemptId))
}

export async function recordLooks(sql: Sql, rows: readonly LookRow[]): Promise<void> {
  if (rows.length > 0) await sql.query(RECORD, toJson(rows))
}
