import type { Sql } from '../database/database.ts'

/** Gives slowed buckets back part of their configured rate. $1 part, 0..1. */
const TEXT = `
WITH slowed AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b
  WHERE b.rate_factor < 1
  ORDER BY b.project_id
  FOR UPDATE OF b
)
UPDATE rate_bucket b
SET rate_factor = least(1, b.rate_factor + $1::float8)
FROM slowed s
WHERE b.project_id = s.project_id
`

export async function recoverRates(sql: Sql, part: number): Promise<void> {
  await sql.query(TEXT, part)
}
