import type { ThroughPrisma } from '../database/database.ts'

/** The overview shows the last minutes of it. */
const FLOW_HOURS = 24

/**
 * Deletes the oldest of what tells of dead letters, of changes by people, of runs that are over, and of what replicas did, each
 * in a bounded number of rows, found at the old end of an index.
 *
 * $1 age of letters in days, $2 age of audit entries and runs in days, $3 most rows of each.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT
    clock_timestamp() - make_interval(secs => $1::float8 * 86400) AS letters,
    clock_timestamp() - make_interval(secs => $2::float8 * 86400) AS audit,
    clock_timestamp() - interval '${FLOW_HOURS} hours' AS flow
),
letters AS (
  DELETE FROM dead_letter d
  WHERE d.id = ANY(ARRAY(
    SELECT l.id FROM dead_letter l WHERE l.at < (SELECT letters FROM clock) ORDER BY l.at LIMIT $3::int
  ))
  RETURNING 1
),
entries AS (
  DELETE FROM audit_entry a
  WHERE a.id = ANY(ARRAY(
    SELECT e.id
    FROM (SELECT o.id, o.at FROM audit_entry o ORDER BY o.id LIMIT $3::int) e
    WHERE e.at < (SELECT audit FROM clock)
  ))
  RETURNING 1
),
runs AS (
  DELETE FROM operation_run o
  WHERE o.id = ANY(ARRAY(
    SELECT r.id
    FROM (SELECT i.id, i.finished_at FROM operation_run i ORDER BY i.id LIMIT $3::int) r
    WHERE r.finished_at < (SELECT audit FROM clock)
  ))
  RETURNING 1
),
flow AS (
  DELETE FROM flow_count c
  WHERE (c.at, c.replica_id) IN (
    SELECT f.at, f.replica_id
    FROM flow_count f
    WHERE f.at < (SELECT flow FROM clock)
    ORDER BY f.at
    LIMIT $3::int
  )
  RETURNING 1
)
SELECT
  (SELECT count(*) FROM letters)::int AS "letters",
  (SELECT count(*) FROM entries)::int AS "entries",
  (SELECT count(*) FROM runs)::int AS "runs",
  (SELECT count(*) FROM flow)::int AS "flow"
`

/** Rows deleted. */
export interface RetiredOperations {
  letters: number
  entries: number
  runs: number
  flow: number
}

export async function retireOperations(
  { throughPrisma }: ThroughPrisma,
  { letterDays, auditDays, limit }: { letterDays: number; auditDays: number; limit: number },
): Promise<RetiredOperations> {
  const [deleted] = await throughPrisma.query<RetiredOperations>(TEXT, letterDays, auditDays, limit)
  return deleted ?? { letters: 0, entries: 0, runs: 0, flow: 0 }
}
