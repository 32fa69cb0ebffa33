import type { ThroughPrisma } from '../database/database.ts'

/** What became of requests, and how long their images take to boot. $1 ids. */
const TEXT = `
SELECT
  r.id::text AS "id",
  r.state::text AS "state",
  r.max_count AS "instances",
  extract(epoch FROM r.dispatched_at)::float8 * 1000 AS "dispatchedMs",
  extract(epoch FROM r.completed_at)::float8 * 1000 AS "completedMs",
  c.quantiles_ms AS "bootsMs"
FROM provision_request r
LEFT JOIN boot_curve c ON c.project_id = r.project_id AND c.image_id = r.spec::json->>'image_id'
WHERE r.id = ANY($1::uuid[])
`

export interface FollowedRow {
  id: string
  state: string
  instances: number
  /** Milliseconds since 1970. */
  dispatchedMs: number | null
  completedMs: number | null
  /** At BOOT_QUANTILES. */
  bootsMs: number[] | null
}

export function readFollowed(
  { throughPrisma }: ThroughPrisma,
  ids: readonly string[],
): Promise<FollowedRow[]> {
  return throughPrisma.query<FollowedRow>(TEXT, ids)
}
