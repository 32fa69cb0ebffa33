import type { ThroughPrisma } from '../database/database.ts'

/** Those without a row are passed over. $1 ids of letters, $2 since when a mark is one of the same run. */
const TEXT = `
WITH known AS MATERIALIZED (
  SELECT d.id, coalesce(d.replayed_at >= $2::timestamptz, false) AS marked
  FROM dead_letter d
  WHERE d.id = ANY($1::uuid[])
),
marks AS (
  UPDATE dead_letter d
  SET replayed_at = clock_timestamp()
  WHERE d.id = ANY(ARRAY(SELECT id FROM known WHERE NOT marked))
)
SELECT id::text AS "id", marked AS "marked"
FROM known
`

/** Says in the index that these letters were published again; returns, of those in it, whether it said so since then. */
export async function markReplayed(
  { throughPrisma }: ThroughPrisma,
  ids: readonly string[],
  since: Date,
): Promise<Map<string, boolean>> {
  const rows = await throughPrisma.query<{ id: string; marked: boolean }>(TEXT, ids, since.toISOString())
  return new Map(rows.map(({ id, marked }) => [id, marked]))
}
