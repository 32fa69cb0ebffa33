import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/** $1 projects and $2 images, side by side. */
const READ = `
SELECT c.project_id AS "projectId", c.image_id AS "imageId", c.counts AS "counts"
FROM unnest($1::text[], $2::text[]) AS wanted(project_id, image_id)
CROSS JOIN LATERAL (
  SELECT one.* FROM boot_curve one
  WHERE one.project_id = wanted.project_id AND one.image_id = wanted.image_id
  OFFSET 0
) c
`

/** $1 rows as JSON, sorted by key. */
const WRITE = `
INSERT INTO boot_curve AS c (project_id, image_id, counts, quantiles_ms, updated_at)
SELECT i."projectId", i."imageId", i."counts", i."quantilesMs", clock_timestamp()
FROM json_to_recordset($1::json) AS i("projectId" text, "imageId" text, "counts" float4[], "quantilesMs" float8[])
ON CONFLICT (project_id, image_id) DO UPDATE SET
  counts = excluded.counts,
  quantiles_ms = excluded.quantiles_ms,
  updated_at = excluded.updated_at
`

/** $1 days after which a curve is forgotten, $2 how many are kept at most, the latest ones. */
const FORGET = `
DELETE FROM boot_curve c
WHERE c.updated_at < clock_timestamp() - make_interval(days => $1::int)
  OR c.updated_at <= (SELECT one.updated_at FROM boot_curve one ORDER BY one.updated_at DESC OFFSET $2::int LIMIT 1)
`

export interface CurveKey {
  projectId: string
  imageId: string
}

export interface CurveRow extends CurveKey {
  counts: number[]
}

/** Those that there are, in no order. */
export function readCurves({ throughPrisma }: ThroughPrisma, keys: readonly CurveKey[]): Promise<CurveRow[]> {
  return throughPrisma.query<CurveRow>(
    READ,
    keys.map(({ projectId }) => projectId),
    keys.map(({ imageId }) => imageId),
  )
}

/** `quantilesMs`: null while too few instances were seen. */
export async function writeCurves(
  { throughPrisma }: ThroughPrisma,
  rows: readonly (CurveRow & { quantilesMs: number[] | null })[],
): Promise<void> {
  const keyOf = ({ projectId, imageId }: CurveKey) => `${projectId}/${imageId}`
  const sorted = rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  await throughPrisma.query(WRITE, toJson(sorted))
}

export async function forgetCurves(
  { throughPrisma }: ThroughPrisma,
  { days, most }: { days: number; most: number },
): Promise<void> {
  await throughPrisma.query(FORGET, days, most)
}
