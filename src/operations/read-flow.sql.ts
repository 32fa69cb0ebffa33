import type { ThroughPrisma } from '../database/database.ts'
import { type Flow, stepOf } from '../telemetry/add-flow.sql.ts'

/** A step counts as complete so many seconds after its end: replicas write a moment later, by clocks of their own. */
const SETTLED_SECONDS = 2

/**
 * What all replicas have done, step by step; steps in which nothing was done are missing. `end` is the end of the last
 * complete step.
 *
 * $1 minutes.
 */
const TEXT = `
WITH span AS MATERIALIZED (
  SELECT ${stepOf(`clock_timestamp() - interval '${SETTLED_SECONDS} seconds'`)} AS "end"
),
steps AS (
  SELECT
    f.at, sum(f.accepted) AS accepted, sum(f.dispatched) AS dispatched, sum(f.running) AS running,
    sum(f.failed) AS failed, sum(f.published) AS published,
    sum(f.polls_answered) AS polls_answered, sum(f.polls_failed) AS polls_failed
  FROM flow_count f
  WHERE f.at >= (SELECT span."end" FROM span) - make_interval(mins => $1::int)
    AND f.at < (SELECT span."end" FROM span)
  GROUP BY f.at
)
SELECT
  span."end",
  (
    SELECT coalesce(json_agg(json_build_object(
      'at', extract(epoch FROM s.at)::bigint * 1000, 'accepted', s.accepted, 'dispatched', s.dispatched,
      'running', s.running, 'failed', s.failed, 'published', s.published,
      'pollsAnswered', s.polls_answered, 'pollsFailed', s.polls_failed
    )), '[]')
    FROM steps s
  ) AS "steps"
FROM span
`

export interface FlowRow {
  end: Date
  /** `at`: begin of the step, in milliseconds since 1970. */
  steps: (Flow & { at: number })[]
}

export async function readFlow({ throughPrisma }: ThroughPrisma, minutes: number): Promise<FlowRow> {
  const [row] = await throughPrisma.query<FlowRow>(TEXT, minutes)
  if (row === undefined) throw new Error('the flow told nothing')
  return row
}
