import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/**
 * Replaces all forecasts: of projects that have no work there is none. $1 rows as JSON, $2 the projects that keep theirs.
 */
const TEXT = `
WITH gone AS (
  DELETE FROM forecast f WHERE f.project_id <> ALL($2::text[])
)
INSERT INTO forecast AS f (project_id, computed_at, keys, places, turns_ms, length, length_ms)
SELECT i."projectId", to_timestamp(i."computedMs" / 1000), ARRAY(SELECT decode(one.key, 'hex') FROM unnest(i."keys") WITH ORDINALITY AS one(key, place) ORDER BY one.place), i."places", i."turnsMs", i."length", i."lengthMs"
FROM json_to_recordset($1::json) AS i(
  "projectId" text, "computedMs" float8, "keys" text[], "places" int4[], "turnsMs" float8[], "length" int4, "lengthMs" float8
)
ON CONFLICT (project_id) DO UPDATE SET
  computed_at = excluded.computed_at,
  keys = excluded.keys,
  places = excluded.places,
  turns_ms = excluded.turns_ms,
  length = excluded.length,
  length_ms = excluded.length_ms
`

export interface ForecastRow {
  projectId: string
  /** Milliseconds since 1970 on the database's clock. */
  computedMs: number
  /** In hex. */
  keys: string[]
  places: number[]
  /** From `computedMs`; empty where nobody knows. */
  turnsMs: number[]
  length: number
  lengthMs: number | null
}

export async function storeForecasts(
  { throughPrisma }: ThroughPrisma,
  rows: readonly ForecastRow[],
): Promise<void> {
  await throughPrisma.query(
    TEXT,
    toJson(rows),
    rows.map(({ projectId }) => projectId),
  )
}
