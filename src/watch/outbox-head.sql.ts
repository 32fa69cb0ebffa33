import type { Sql } from '../database/database.ts'

/** The event that is next. */
const TEXT = `
SELECT id::text AS "id", ordering_key AS "orderingKey", type AS "type"
FROM outbox_event
ORDER BY position
LIMIT 1
`

export interface OutboxHead {
  id: string
  orderingKey: string
  type: string
}

/** Returns null while the outbox is empty. */
export async function readOutboxHead(sql: Sql): Promise<OutboxHead | null> {
  const [head] = await sql.query<OutboxHead>(TEXT)
  return head ?? null
}
