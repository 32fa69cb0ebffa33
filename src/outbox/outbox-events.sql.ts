import type { Sql } from '../database/database.ts'
import type { EventRow } from '../request/event-list.sql.ts'

/**
 * The events after a position (outbox/read-cursor.ts) that the relay does not have in hand, in order.
 * $1 position, $2 most rows, $3 positions in hand, as ranges.
 */
const READ = `
SELECT
  e.position::float8 AS "position",
  e.id::text AS "id",
  e.ordering_key AS "orderingKey",
  e.routing_key AS "routingKey",
  e.type AS "type",
  e.correlation_id AS "correlationId",
  e.body AS "body",
  extract(epoch FROM clock_timestamp() - e.created_at)::float8 * 1000 AS "ageMs",
  -- As subqueries they are worked out once and not for every row.
  (SELECT pg_snapshot_xmin(pg_current_snapshot())::text) AS "xmin",
  (SELECT pg_snapshot_xmax(pg_current_snapshot())::text) AS "xmax"
FROM outbox_event e
WHERE e.position > $1::bigint AND NOT e.position <@ $3::int8multirange
ORDER BY e.position
LIMIT $2::int
`

/** $1 positions of confirmed events. */
const REMOVE = `
DELETE FROM outbox_event
WHERE position = ANY($1::bigint[])
`

/** Sets events aside that no queue takes. $1 positions, $2 milliseconds to the first retry, doubled per return. */
const PARK = `
WITH returned AS (
  DELETE FROM outbox_event
  WHERE position = ANY($1::bigint[])
  RETURNING *
)
INSERT INTO parked_event (
  id, ordering_key, routing_key, type, correlation_id, body, created_at, returns, first_returned_at, retry_at
)
SELECT id, ordering_key, routing_key, type, correlation_id, body, created_at, returns + 1,
  coalesce(first_returned_at, clock_timestamp()),
  clock_timestamp() + make_interval(secs => $2::float8 / 1000 * power(2, least(returns, 12)))
FROM returned
ON CONFLICT (id) DO NOTHING
`

/** Puts parked events back in the order in which they were set aside. $1 most rows. */
const UNPARK = `
WITH due AS MATERIALIZED (
  SELECT p.id
  FROM parked_event p
  WHERE p.retry_at <= clock_timestamp()
  ORDER BY p.retry_at, p.id
  LIMIT $1::int
  FOR UPDATE OF p SKIP LOCKED
),
unparked AS (
  DELETE FROM parked_event p
  USING due
  WHERE p.id = due.id
  RETURNING p.*
)
INSERT INTO outbox_event (
  id, ordering_key, routing_key, type, correlation_id, body, created_at, returns, first_returned_at
)
SELECT id, ordering_key, routing_key, type, correlation_id, body, created_at, returns, first_returned_at
FROM unparked
ORDER BY retry_at, id
RETURNING position::text AS "position"
`

/** Drops parked events that nobody wanted. $1 milliseconds since the first return, $2 most rows. */
const DROP_PARKED = `
DELETE FROM parked_event
WHERE id IN (
  SELECT p.id
  FROM parked_event p
  WHERE p.first_returned_at < clock_timestamp() - make_interval(secs => $1::float8 / 1000)
  LIMIT $2::int
)
RETURNING type
`

export interface OutboxEvent extends Omit<EventRow, 'body'> {
  /** The message body, byte for byte. */
  body: string
  /** Exact as a number up to 2^53, more than all events there will ever be. */
  position: number
  /** Milliseconds since the event was written. */
  ageMs: number
  /** What the read could see: transactions below xmin had ended, those from xmax on had not begun. */
  xmin: string
  xmax: string
}

export async function parkEvents(
  sql: Sql,
  positions: readonly number[],
  firstRetryMs: number,
): Promise<void> {
  await sql.query(PARK, positions, firstRetryMs)
}

/** Returns how many events went back to the outbox. */
export async function unparkEvents(sql: Sql, limit: number): Promise<number> {
  return (await sql.query(UNPARK, limit)).length
}

/** Returns the types of the dropped events. */
export async function dropParkedEvents(sql: Sql, keptMs: number, limit: number): Promise<string[]> {
  return (await sql.query<{ type: string }>(DROP_PARKED, keptMs, limit)).map((row) => row.type)
}

export function readEvents(
  sql: Sql,
  { after, inHand, limit }: { after: number; inHand: string; limit: number },
): Promise<OutboxEvent[]> {
  return sql.query(READ, after, limit, inHand)
}

export async function removeEvents(sql: Sql, positions: readonly number[]): Promise<void> {
  await sql.query(REMOVE, positions)
}
