import type { ThroughPrisma } from '../database/database.ts'

/**
 * What a reading that begins now must know of the orders under way, in one snapshot: those whose calls may or may not be
 * in it. Of what is claimed later, `ordered` tells when the reading is recorded.
 *
 * $1 project.
 */
const TEXT = `
SELECT
  clock_timestamp()::text AS "begunAt",
  b.ordered::float8 AS "ordered",
  coalesce((
    SELECT sum(r.max_count)
    FROM claim c
    CROSS JOIN LATERAL unnest(c.request_ids) AS n(id)
    JOIN LATERAL (SELECT one.* FROM provision_request one WHERE one.id = n.id OFFSET 0) r ON true
    WHERE r.project_id = $1 AND r.state = 'dispatching'
  ), 0)::float8 AS "underWay"
FROM rate_bucket b
WHERE b.project_id = $1
`

/** Servers that orders of the project are let into the queue for, without those whose calls are over. $1 project. */
const SPOKEN = `
WITH over AS (
  DELETE FROM spoken_server s
  WHERE s.project_id = $1
    AND NOT EXISTS (
      SELECT FROM provision_request r
      WHERE r.id = s.provision_request_id AND r.state IN ('queued', 'dispatching', 'uncertain') AND r.held_rank IS NULL
    )
  RETURNING s.server_id
)
SELECT s.server_id AS "serverId"
FROM spoken_server s
WHERE s.project_id = $1 AND s.server_id NOT IN (SELECT server_id FROM over)
`

export interface BegunReading {
  /** On the database's clock, as a text that it reads back. */
  begunAt: string
  /** Instances that claims had asked for until then. */
  ordered: number
  /** Of these, in calls without an outcome. */
  underWay: number
}

/** Undefined where the project has no bucket. */
export async function beginReading(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
): Promise<BegunReading | undefined> {
  const [row] = await throughPrisma.query<BegunReading>(TEXT, projectId)
  return row
}

/** Called before the reading begins: a server whose order is over is in the reading as that order has left it. */
export async function readSpokenServers(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
): Promise<Set<string>> {
  const rows = await throughPrisma.query<{ serverId: string }>(SPOKEN, projectId)
  return new Set(rows.map(({ serverId }) => serverId))
}
