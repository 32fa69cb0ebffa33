import type { Sql } from '../database/database.ts'
import { inMs } from '../request/change.sql.ts'

/**
 * The segments after a position (read-cursor.ts) that the relay does not have in hand, in order.
 * $1 position, $2 most rows, $3 positions in hand, as ranges.
 */
const READ = `
SELECT
  s.position::float8 AS "position",
  s.refs AS "refs",
  s.rejections AS "rejections",
  ${inMs('s.created_at')}::float8 AS "createdAt",
  extract(epoch FROM clock_timestamp() - s.created_at)::float8 * 1000 AS "ageMs",
  -- As subqueries they are worked out once and not for every row.
  (SELECT pg_snapshot_xmin(pg_current_snapshot())::text) AS "xmin",
  (SELECT pg_current_xact_id()::text) AS "barrier"
FROM outbox_segment s
WHERE s.position > $1::bigint AND NOT s.position <@ $3::int8multirange
ORDER BY s.position
LIMIT $2::int
`

/** $1 positions of segments whose events are all out. */
const REMOVE = `
DELETE FROM outbox_segment
WHERE position = ANY($1::bigint[])
`

/** What one transaction owes to consumers; either `refs` or `rejections` is there. */
export interface SegmentRow {
  /** Exact as a number up to 2^53, more than all segments there will ever be. */
  position: number
  /** JSON arrays, comma separated: request id, version, ids of the instances that ended with it. */
  refs: string | null
  /** A JSON array of Rejection. */
  rejections: string | null
  /** When it was written, in milliseconds since 1970. */
  createdAt: number
  /** Milliseconds since then. */
  ageMs: number
  /**
   * Of the read: transactions below xmin had ended, and those under way are below the barrier, an id that was drawn for
   * it. (Postgres calls xmax what is above the last transaction that has ended; others above it may be under way.)
   */
  xmin: string
  barrier: string
}

export function readSegments(
  sql: Sql,
  { after, inHand, limit }: { after: number; inHand: string; limit: number },
): Promise<SegmentRow[]> {
  return sql.query(READ, after, limit, inHand)
}

export async function removeSegments(sql: Sql, positions: readonly number[]): Promise<void> {
  await sql.query(REMOVE, positions)
}
