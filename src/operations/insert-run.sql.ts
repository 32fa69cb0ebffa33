import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'

/** $1 id, $2 kind, $3 parameters as JSON. */
const TEXT = `
INSERT INTO operation_run (id, kind, params)
VALUES ($1::uuid, $2, $3::jsonb)
`

/** Stores a run that waits to be carried out, in the transaction that `sql` belongs to. */
export async function insertRun(
  sql: Sql,
  { id, kind, params }: { id: string; kind: string; params: object },
): Promise<void> {
  await sql.query(TEXT, id, kind, toJson(params))
}
