import type { Sql } from '../database/database.ts'

/*
 * Subqueries in these statements are index probes, one per row, whatever the planner assumes about table sizes; and
 * each statement looks at a bounded number of the oldest rows only.
 */

/**
 * Stores the keys of requests that ended long ago. Their rows are deleted by a later statement, never by this one:
 * an insert whose snapshot is older than this commit sees the row, every later one sees the key, none sees neither.
 * Keys are stored for at most $3 requests ahead of the deletion, so that passing over them stays cheap.
 *
 * $1 age in days, $2 most rows, $3 most keys waiting for the deletion of their request.
 */
const KEEP_KEYS = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
oldest AS MATERIALIZED (
  SELECT r.project_id, r.request_id, r.content_digest, r.password_digest, r.completed_at
  FROM provision_request r, clock
  WHERE r.completed_at < clock.ts - make_interval(secs => $1::float8 * 86400)
  ORDER BY r.completed_at
  LIMIT $3::int
)
INSERT INTO retired_key (project_id, request_id, content_digest, password_digest, completed_at, retired_at)
SELECT o.project_id, o.request_id, o.content_digest, o.password_digest, o.completed_at, clock.ts
FROM oldest o, clock
WHERE (
  SELECT k.request_id FROM retired_key k WHERE k.project_id = o.project_id AND k.request_id = o.request_id
) IS NULL
ORDER BY o.completed_at
LIMIT $2::int
ON CONFLICT (project_id, request_id) DO NOTHING
RETURNING 1 AS "row"
`

/**
 * Deletes requests whose key was stored a while ago, with their history; attempts and instances go with them.
 * $1 age in days, $2 most rows, $3 milliseconds since the key was stored: longer than any statement runs,
 * $4 how many of the oldest may have a key.
 */
const DELETE_REQUESTS = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
oldest AS MATERIALIZED (
  SELECT r.id, r.project_id, r.request_id
  FROM provision_request r, clock
  WHERE r.completed_at < clock.ts - make_interval(secs => $1::float8 * 86400)
  ORDER BY r.completed_at
  LIMIT $4::int
),
keyed AS MATERIALIZED (
  SELECT o.id
  FROM oldest o, clock
  WHERE (
    SELECT k.retired_at FROM retired_key k WHERE k.project_id = o.project_id AND k.request_id = o.request_id
  ) <= clock.ts - make_interval(secs => $3::float8 / 1000)
  LIMIT $2::int
),
due AS MATERIALIZED (
  SELECT r.id
  FROM provision_request r
  WHERE r.id = ANY(ARRAY(SELECT id FROM keyed))
  FOR UPDATE OF r SKIP LOCKED
),
history AS (
  DELETE FROM transition t
  USING due
  WHERE t.provision_request_id = due.id
)
DELETE FROM provision_request r
USING due
WHERE r.id = due.id
RETURNING 1 AS "row"
`

/** Forgets keys whose request ended very long ago and is deleted. $1 age in days, $2 most rows. */
const DELETE_KEYS = `
WITH due AS MATERIALIZED (
  SELECT k.project_id, k.request_id
  FROM retired_key k
  WHERE k.completed_at < clock_timestamp() - make_interval(secs => $1::float8 * 86400)
    AND (
      SELECT r.id FROM provision_request r WHERE r.project_id = k.project_id AND r.request_id = k.request_id
    ) IS NULL
  ORDER BY k.completed_at
  LIMIT $2::int
  FOR UPDATE OF k SKIP LOCKED
)
DELETE FROM retired_key k
USING due
WHERE k.project_id = due.project_id AND k.request_id = due.request_id
RETURNING 1 AS "row"
`

/** Each returns the number of rows it has stored or deleted. */
export async function keepKeys(
  sql: Sql,
  params: { olderThanDays: number; limit: number; ahead: number },
): Promise<number> {
  return (await sql.query(KEEP_KEYS, params.olderThanDays, params.limit, params.ahead)).length
}

export async function deleteRetiredRequests(
  sql: Sql,
  params: { olderThanDays: number; limit: number; keptForMs: number; ahead: number },
): Promise<number> {
  const { olderThanDays, limit, keptForMs, ahead } = params
  return (await sql.query(DELETE_REQUESTS, olderThanDays, limit, keptForMs, ahead)).length
}

export async function deleteRetiredKeys(
  sql: Sql,
  params: { olderThanDays: number; limit: number },
): Promise<number> {
  return (await sql.query(DELETE_KEYS, params.olderThanDays, params.limit)).length
}
