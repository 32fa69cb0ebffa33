import type { ThroughPrisma } from '../database/database.ts'

/*
 * Subqueries in these statements are index probes, one per row, whatever the planner assumes about table sizes; and
 * each statement looks at a bounded number of the oldest rows only. The time up to which they are due is a subquery, too:
 * only as a value does it bound the way through the index, which joined with it is read to its end where little is due.
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
  SELECT clock_timestamp() AS ts, clock_timestamp() - make_interval(secs => $1::float8 * 86400) AS cutoff
),
oldest AS MATERIALIZED (
  SELECT r.project_id, r.request_id, r.content_digest, r.password_digest, r.completed_at
  FROM provision_request r
  WHERE r.completed_at < (SELECT cutoff FROM clock)
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
 * Deletes requests whose key was stored a while ago, with all that belongs to them: nothing that is left refers to them.
 * They have been at rest as long as they have been complete, and whatever their changes owe to consumers is sent: the
 * oldest segment of the outbox is younger than they are, by more than its statement can have taken.
 *
 * $1 age in days, $2 most rows, $3 milliseconds since the key was stored: longer than any statement runs,
 * $4 how many of the oldest may have a key.
 */
const DELETE_REQUESTS = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts, clock_timestamp() - make_interval(secs => $1::float8 * 86400) AS cutoff
),
unsent AS MATERIALIZED (
  SELECT s.created_at AS since FROM outbox_segment s ORDER BY s.position LIMIT 1
),
oldest AS MATERIALIZED (
  SELECT
    r.id, r.version, r.project_id, r.request_id,
    r.updated_at < (SELECT cutoff FROM clock) AND r.running_count + r.failed_count = r.created_count AS at_rest
  FROM provision_request r
  WHERE r.completed_at < (SELECT cutoff FROM clock)
  ORDER BY r.completed_at
  LIMIT $4::int
),
keyed AS MATERIALIZED (
  SELECT o.id, o.version
  FROM oldest o, clock
  WHERE o.at_rest
    AND (
      SELECT k.retired_at FROM retired_key k WHERE k.project_id = o.project_id AND k.request_id = o.request_id
    ) <= clock.ts - make_interval(secs => $3::float8 / 1000)
    AND coalesce((SELECT u.since > clock.cutoff + interval '1 hour' FROM unsent u), true)
  LIMIT $2::int
),
due AS MATERIALIZED (
  SELECT r.id, r.project_id, r.instance_ids
  FROM keyed
  JOIN LATERAL (SELECT keyed.id OFFSET 0) one_row_hint ON one_row_hint.id = keyed.id
  JOIN provision_request r ON r.id = keyed.id AND r.version = keyed.version
  FOR UPDATE OF r SKIP LOCKED
),
owned AS MATERIALIZED (
  SELECT due.project_id, unnest(due.instance_ids) AS id FROM due
),
instances AS (
  DELETE FROM instance i
  USING owned o
  JOIN LATERAL (SELECT o.id OFFSET 0) one_row_hint ON one_row_hint.id = o.id
  WHERE i.project_id = o.project_id AND i.id = o.id
),
parts AS (
  DELETE FROM history_part p WHERE p.provision_request_id = ANY(ARRAY(SELECT id FROM due))
),
looks AS (
  DELETE FROM look l WHERE l.provision_request_id = ANY(ARRAY(SELECT id FROM due))
)
DELETE FROM provision_request r
WHERE r.id = ANY(ARRAY(SELECT id FROM due))
RETURNING 1 AS "row"
`

/** Forgets keys whose request ended very long ago and is deleted. $1 age in days, $2 most rows. */
const DELETE_KEYS = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() - make_interval(secs => $1::float8 * 86400) AS cutoff
),
due AS MATERIALIZED (
  SELECT k.project_id, k.request_id
  FROM retired_key k
  WHERE k.completed_at < (SELECT cutoff FROM clock)
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
  { throughPrisma }: ThroughPrisma,
  params: { olderThanDays: number; limit: number; ahead: number },
): Promise<number> {
  return (await throughPrisma.query(KEEP_KEYS, params.olderThanDays, params.limit, params.ahead)).length
}

export async function deleteRetiredRequests(
  { throughPrisma }: ThroughPrisma,
  params: { olderThanDays: number; limit: number; keptForMs: number; ahead: number },
): Promise<number> {
  const { olderThanDays, limit, keptForMs, ahead } = params
  return (await throughPrisma.query(DELETE_REQUESTS, olderThanDays, limit, keptForMs, ahead)).length
}

export async function deleteRetiredKeys(
  { throughPrisma }: ThroughPrisma,
  params: { olderThanDays: number; limit: number },
): Promise<number> {
  return (await throughPrisma.query(DELETE_KEYS, params.olderThanDays, params.limit)).length
}
