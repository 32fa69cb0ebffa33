import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { ProjectLimit } from './call-limits.ts'
import { bucketLimit, type CallLimit } from './token-bucket.ts'

/** Changes by people, and the ends of limits that they have set, one after the other: each knows what was before it. */
const LOCK = `SELECT FROM pg_advisory_xact_lock(hashtext('provisioner limits'))`

/**
 * The buckets of these projects where they have none: what stores their first request meanwhile waits for it, and the
 * change does not pass it by. $1 limits and credentials by project as JSON.
 */
const MAKE = `
INSERT INTO rate_bucket (project_id, credential_id, refill_per_second, capacity, tokens, refilled_at)
SELECT l."projectId", coalesce(l."credentialId", 'none'), l."refillPerSecond", l."capacity", 1, clock_timestamp()
FROM json_to_recordset($1::json) AS l("projectId" text, "credentialId" text, "refillPerSecond" float8, "capacity" float8)
ORDER BY l."projectId"
ON CONFLICT (project_id) DO NOTHING
`

const END = `
DELETE FROM limit_override o WHERE o.until <= clock_timestamp() RETURNING o.project_id AS "projectId"
`

const COLUMNS = `o.per_second AS "perSecond", o.burst AS "burst", o.since AS "since", o.until AS "until", o.who AS "who", o.reason AS "reason"`

/** $1 project. */
const FIND = `
SELECT ${COLUMNS}
FROM limit_override o
WHERE o.project_id = $1 AND (o.until IS NULL OR o.until > clock_timestamp())
`

/** $1 project, $2 and $3 the limit, $4 and $5 its bucket, $6 until, $7 who, $8 reason. */
const SET = `
INSERT INTO limit_override AS o (project_id, per_second, burst, refill_per_second, capacity, since, until, who, reason)
VALUES ($1, $2::float8, $3::float8, $4::float8, $5::float8, clock_timestamp(), $6::timestamptz, $7, $8)
ON CONFLICT (project_id) DO UPDATE
SET per_second = excluded.per_second, burst = excluded.burst, refill_per_second = excluded.refill_per_second,
  capacity = excluded.capacity, since = excluded.since, until = excluded.until, who = excluded.who, reason = excluded.reason
RETURNING ${COLUMNS}
`

/** $1 project. */
const REMOVE = `DELETE FROM limit_override WHERE project_id = $1`

/** A project's limit as a person has set it. */
export interface LimitOverride extends CallLimit {
  since: Date
  /** When it ends by itself; null for never. */
  until: Date | null
  who: string
  reason: string
}

/** The one in force; null without any. */
export async function findOverride(sql: Sql, projectId: string): Promise<LimitOverride | null> {
  const [row] = await sql.query<LimitOverride>(FIND, projectId)
  return row ?? null
}

export async function setOverride(
  sql: Sql,
  projectId: string,
  { perSecond, burst, until, who, reason }: Omit<LimitOverride, 'since'>,
): Promise<LimitOverride> {
  const { refillPerSecond, capacity } = bucketLimit({ perSecond, burst })
  const [row] = await sql.query<LimitOverride>(
    SET,
    projectId,
    perSecond,
    burst,
    refillPerSecond,
    capacity,
    until?.toISOString() ?? null,
    who,
    reason,
  )
  if (row === undefined) throw new Error('the limit was not stored')
  return row
}

export async function removeOverride(sql: Sql, projectId: string): Promise<void> {
  await sql.query(REMOVE, projectId)
}

/** $1 a time. */
const IS_AHEAD = `SELECT $1::timestamptz > clock_timestamp() AS "isAhead"`

/** $1 project. */
const FIND_BUCKET = `SELECT b.project_id FROM rate_bucket b WHERE b.project_id = $1`

/** Whether that time is to come, on the database's clock. */
export async function isAhead(sql: Sql, time: Date): Promise<boolean> {
  const [row] = await sql.query<{ isAhead: boolean }>(IS_AHEAD, time.toISOString())
  return row?.isAhead === true
}

/** Whether the project has ordered, or had a limit of its own, lately. */
export async function hasBucket(sql: Sql, projectId: string): Promise<boolean> {
  return (await sql.query(FIND_BUCKET, projectId)).length > 0
}

/** Until the end of the transaction that `sql` belongs to. */
export async function lockChanges(sql: Sql): Promise<void> {
  await sql.query(LOCK)
}

export async function makeBuckets(
  sql: Sql,
  buckets: readonly (ProjectLimit & { credentialId: string | null })[],
): Promise<void> {
  await sql.query(MAKE, toJson(buckets))
}

/** Removes the limits whose time is over; returns their projects. */
export async function removeEnded(sql: Sql): Promise<string[]> {
  const rows = await sql.query<{ projectId: string }>(END)
  return rows.map(({ projectId }) => projectId)
}
