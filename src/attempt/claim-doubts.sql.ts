import type { ThroughPrisma } from '../database/database.ts'
import { DOUBT_ROW, type DoubtRow } from './doubt-row.sql.ts'
import { type OpenDoubt, openDoubtOf } from './open-doubt.ts'

/**
 * Claims the doubts of projects where a look for one is due, all of them, because one listing serves them all. Claiming
 * moves them on to their next look, so that a reconciler that dies in between costs one interval; the new time is the
 * claim's fence (record-looks).
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 projects to leave alone, $2 most projects, $3 milliseconds to move on by.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
due_projects AS MATERIALIZED (
  SELECT l.project_id
  FROM look l, clock
  WHERE l.purpose = 'doubt' AND l.due_at <= clock.ts AND l.project_id <> ALL($1::text[])
  GROUP BY l.project_id
  ORDER BY min(l.due_at)
  LIMIT $2::int
),
open AS MATERIALIZED (
  SELECT l.provision_request_id, l.attempt
  FROM look l
  WHERE l.purpose = 'doubt' AND l.project_id IN (SELECT project_id FROM due_projects)
  ORDER BY l.provision_request_id
  FOR UPDATE OF l SKIP LOCKED
),
claimed AS (
  UPDATE look l
  SET due_at = clock.ts + make_interval(secs => $3::float8 / 1000)
  FROM open
  JOIN LATERAL (SELECT open.attempt OFFSET 0) one_row_hint ON one_row_hint.attempt = open.attempt
  CROSS JOIN clock
  WHERE l.provision_request_id = open.provision_request_id AND l.attempt = open.attempt
  RETURNING l.*
)
SELECT ${DOUBT_ROW}
FROM claimed l
CROSS JOIN clock
JOIN LATERAL (SELECT l.provision_request_id AS id OFFSET 0) one_row_hint ON one_row_hint.id = l.provision_request_id
JOIN provision_request r ON r.id = l.provision_request_id
WHERE r.state = 'uncertain' AND r.attempt_number = l.attempt
ORDER BY r.id
`

export async function claimDoubts(
  { throughPrisma }: ThroughPrisma,
  params: { exceptProjects: readonly string[]; maxProjects: number; moveOnMs: number },
): Promise<OpenDoubt[]> {
  const { exceptProjects, maxProjects, moveOnMs } = params
  const rows = await throughPrisma.query<DoubtRow>(TEXT, exceptProjects, maxProjects, moveOnMs)
  return rows.map(openDoubtOf)
}
