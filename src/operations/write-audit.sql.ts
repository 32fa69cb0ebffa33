import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import type { AuditedChange } from './audit.ts'

/** $1 who, $2 verb, $3 project, $4 target, $5 and $6 before and after as JSON, $7 reason, $8 until. */
const TEXT = `
INSERT INTO audit_entry (who, verb, project_id, target, before, after, reason, until)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb, $7, $8::timestamptz)
`

/** Writes the entry of a change, in the transaction that `sql` belongs to: the one that changes. */
export async function writeAudit(sql: Sql, change: AuditedChange): Promise<void> {
  const { who, verb, projectId, target, before, after, reason, until } = change
  const [was, is] = [before, after].map((value) => (value === null ? null : toJson(value)))
  await sql.query(TEXT, who, verb, projectId, target, was, is, reason, until?.toISOString() ?? null)
}
