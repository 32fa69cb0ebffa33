import type { ThroughPrisma } from '../database/database.ts'

/** The segment that is next: whose events it stands for is said by the first of its references. */
const TEXT = `
SELECT position::text AS "position", created_at AS "createdAt", substr(refs, 3, 36) AS "firstRequest"
FROM outbox_segment
ORDER BY position
LIMIT 1
`

export interface OutboxHead {
  position: string
  createdAt: Date
  /** Row id of the first request; null for rejections. */
  firstRequest: string | null
}

/** Returns null while the outbox is empty. */
export async function readOutboxHead({ throughPrisma }: ThroughPrisma): Promise<OutboxHead | null> {
  const [head] = await throughPrisma.query<OutboxHead>(TEXT)
  return head ?? null
}
