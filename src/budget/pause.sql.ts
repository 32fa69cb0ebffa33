import type { Sql } from '../database/database.ts'

/**
 * Pauses by a person, in SQL. While a project is paused, or all are, no order of it is claimed; reading calls go on. The
 * claim reads the table itself, so a pause begins and ends with its row's transaction, or at its time, for all replicas.
 * The projects keep their `due_at`, and with it their place in the line: nothing has to be written for them, and nothing
 * is forgotten when the pause is over.
 */

/** In place of a project, in `pause`: all of them. */
export const ALL_PROJECTS = '*'

/** The pauses in force, for a CTE `pauses` (`project_id`, `until`). */
export const PAUSES = `SELECT p.project_id, p.until
  FROM pause p, clock
  WHERE p.until IS NULL OR p.until > clock.ts`

/** Whether the project of bucket `b` may send orders, by the CTE `pauses`. */
export const notPaused = (b: string): string =>
  `('${ALL_PROJECTS}' NOT IN (SELECT project_id FROM pauses) AND ${b}.project_id NOT IN (SELECT project_id FROM pauses))`

const IN_FORCE = '(p.until IS NULL OR p.until > clock_timestamp())'

/**
 * The pause that a project (SQL) waits for, for a LEFT JOIN LATERAL: of its own and that of all, the one that ends last.
 * Columns: `since`, `until`, `detail`. Where `when` (SQL) does not hold, none, and none is looked for.
 */
export const pauseOf = (projectId: string, when = 'true'): string => `(
  SELECT p.since, p.until,
    CASE WHEN p.project_id = '${ALL_PROJECTS}' THEN 'all projects are paused: ' ELSE 'the project is paused: ' END || p.reason AS detail
  FROM pause p
  WHERE ${when} AND p.project_id IN (${projectId}, '${ALL_PROJECTS}') AND ${IN_FORCE}
  ORDER BY p.until DESC NULLS FIRST, p.project_id
  LIMIT 1
)`

const COLUMNS = `p.since AS "since", p.until AS "until", p.who AS "who", p.reason AS "reason"`

/** $1 project. */
const FIND = `
SELECT ${COLUMNS} FROM pause p WHERE p.project_id = $1 AND ${IN_FORCE}
`

/** A pause that is made longer began when it began. $1 project, $2 until, $3 who, $4 reason. */
const SET = `
INSERT INTO pause AS p (project_id, since, until, who, reason)
VALUES ($1, clock_timestamp(), $2::timestamptz, $3, $4)
ON CONFLICT (project_id) DO UPDATE
SET since = CASE WHEN ${IN_FORCE} THEN p.since ELSE excluded.since END,
  until = excluded.until, who = excluded.who, reason = excluded.reason
RETURNING ${COLUMNS}
`

/** Those that are over, and that of project $1. */
const REMOVE = `
DELETE FROM pause p WHERE p.project_id = $1 OR p.until <= clock_timestamp()
`

export interface Pause {
  since: Date
  /** When it ends by itself; null for never. */
  until: Date | null
  who: string
  reason: string
}

/** The one in force of a project, or of ALL_PROJECTS; null without any. */
export async function findPause(sql: Sql, projectId: string): Promise<Pause | null> {
  const [row] = await sql.query<Pause>(FIND, projectId)
  return row ?? null
}

export async function setPause(
  sql: Sql,
  projectId: string,
  { until, who, reason }: Omit<Pause, 'since'>,
): Promise<Pause> {
  const [row] = await sql.query<Pause>(SET, projectId, until?.toISOString() ?? null, who, reason)
  if (row === undefined) throw new Error('the pause was not stored')
  return row
}

/** Removes it, and those that are over. */
export async function removePause(sql: Sql, projectId: string): Promise<void> {
  await sql.query(REMOVE, projectId)
}
