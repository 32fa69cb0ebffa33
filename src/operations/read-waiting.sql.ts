import { WAIT_COLUMNS, type WaitColumns, withWait } from '../budget/wait.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'

/**
 * The open requests of each project by what holds them: state, and of queued ones whether they wait for a retry or for
 * servers. Projects are found one after the other by the index of open requests, and of each as many are counted, the oldest
 * first, as are its share of `most`, so that finished requests cost nothing and a backlog costs no more than that.
 *
 * The first of each kind comes with its id: ids are as old as their requests.
 *
 * $1 most projects, $2 most requests of all projects, $3 of each project at least.
 */
const TEXT = `
WITH RECURSIVE found(project_id) AS (
  (
    SELECT r.project_id FROM provision_request r WHERE r.completed_at IS NULL ORDER BY r.project_id, r.id LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT r.project_id
    FROM provision_request r
    WHERE r.completed_at IS NULL AND r.project_id > f.project_id
    ORDER BY r.project_id, r.id
    LIMIT 1
  )
  FROM found f
  WHERE f.project_id IS NOT NULL
),
projects AS MATERIALIZED (
  SELECT f.project_id FROM found f WHERE f.project_id IS NOT NULL LIMIT $1::int
),
share AS MATERIALIZED (
  SELECT greatest($3::int, $2::int / greatest(1, count(*)))::int AS n FROM projects
),
kinds AS MATERIALIZED (
  SELECT
    p.project_id, o.state, o.kind, count(*)::int AS n, min(o.created_at) AS oldest_at,
    min(o.id::text || o.request_id COLLATE "C") AS oldest, min(o.retry_at) AS retry_at,
    min(o.held_for) AS held_for, min(o.updated_at) AS updated_at
  FROM projects p
  CROSS JOIN LATERAL (
    SELECT
      r.id, r.request_id, r.state::text AS state, r.created_at, r.updated_at, r.retry_at, r.held_for,
      CASE WHEN r.retry_at IS NOT NULL THEN 'retry' WHEN r.held_for IS NOT NULL THEN 'capacity'
        WHEN r.held_rank IS NOT NULL THEN 'held' ELSE '' END AS kind
    FROM provision_request r
    WHERE r.project_id = p.project_id AND r.completed_at IS NULL
    ORDER BY r.id
    LIMIT (SELECT n FROM share)
  ) o
  GROUP BY p.project_id, o.state, o.kind
),
looks AS MATERIALIZED (
  SELECT l.project_id, min(l.due_at) AS due_at FROM look l WHERE l.purpose = 'doubt' GROUP BY l.project_id
)
SELECT
  k.project_id AS "projectId",
  k.state AS "state",
  k.kind AS "kind",
  k.n AS "count",
  sum(k.n) OVER (PARTITION BY k.project_id) >= share.n AS "capped",
  k.oldest_at AS "oldestAt",
  substr(k.oldest, 37) AS "oldestId",
  k.updated_at AS "updatedAt",
  k.retry_at AS "retryAt",
  k.held_for AS "heldFor",
  looks.due_at AS "reconcileAt",
  ${WAIT_COLUMNS},
  clock_timestamp() AS "now"
FROM kinds k
CROSS JOIN share
LEFT JOIN looks ON k.state = 'uncertain' AND looks.project_id = k.project_id
${withWait('k')}
`

/** Open requests of one project that are held by the same. */
export interface OpenKind extends WaitColumns {
  projectId: string
  state: 'queued' | 'dispatching' | 'uncertain' | 'provisioning'
  /** Of queued ones: a retry, servers, a first look at servers, or neither. */
  kind: 'retry' | 'capacity' | 'held' | ''
  count: number
  /** The project has more open requests than were counted. */
  capped: boolean
  /** When the first of them was stored, and its id. */
  oldestAt: Date
  oldestId: string
  /** When the one was changed that was left alone for longest. */
  updatedAt: Date
  retryAt: Date | null
  heldFor: string | null
  reconcileAt: Date | null
  now: Date
}

/** In no order. */
export function readWaiting(
  { throughPrisma }: ThroughPrisma,
  { mostProjects, most, atLeast }: { mostProjects: number; most: number; atLeast: number },
): Promise<OpenKind[]> {
  return throughPrisma.query(TEXT, mostProjects, most, atLeast)
}
