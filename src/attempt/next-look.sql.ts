import type { ThroughPrisma } from '../database/database.ts'

/** When the next look is due, of a doubt or an audit. One index probe per project. */
const TEXT = `
SELECT extract(epoch FROM least(
  (SELECT l.due_at FROM look l WHERE l.purpose = 'doubt' ORDER BY l.due_at LIMIT 1),
  (
    SELECT min(first.due_at)
    FROM rate_bucket b
    CROSS JOIN LATERAL (
      SELECT l.due_at
      FROM look l
      WHERE l.project_id = b.project_id AND l.purpose = 'audit'
      ORDER BY l.due_at
      LIMIT 1
    ) first
  )
) - clock_timestamp())::float8 * 1000 AS "inMs"
`

/** Milliseconds until a look is due; infinite where there is none. */
export async function nextDueLookMs({ throughPrisma }: ThroughPrisma): Promise<number> {
  const [row] = await throughPrisma.query<{ inMs: number | null }>(TEXT)
  return row?.inMs ?? Number.POSITIVE_INFINITY
}
