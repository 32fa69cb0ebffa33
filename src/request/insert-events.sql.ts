import type { Sql } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { bodyAt, type EventRow } from './event-list.sql.ts'

/** Events that belong to no transition: they happen now. $1 rows as JSON. */
const INSERT = `
INSERT INTO outbox_event (id, ordering_key, routing_key, type, correlation_id, body)
SELECT e."id", e."orderingKey", e."routingKey", e."type", e."correlationId", ${bodyAt('e."body"', 'clock.ts')}
FROM json_to_recordset($1::json) AS e(
  "id" uuid, "orderingKey" text, "routingKey" text, "type" text, "correlationId" text, "body" text[]
)
CROSS JOIN (SELECT clock_timestamp()::timestamptz(3) AS ts) clock
`

export async function insertEvents(sql: Sql, rows: readonly EventRow[]): Promise<void> {
  if (rows.length > 0) await sql.query(INSERT, toJson(rows))
}
