import type { Database } from '../database/database.ts'

/** The segment of the outbox that is next. */
export interface OutboxHead {
  position: string
  createdAt: Date
  /** Whose events it stands for, from the beginning; null for rejections. */
  refs: string | null
}

/** As much of a segment's references as the log shows. */
const SHOWN = 200

/** Returns null while the outbox is empty. */
export async function readOutboxHead({ prisma }: Pick<Database, 'prisma'>): Promise<OutboxHead | null> {
  const head = await prisma.outboxSegment.findFirst({
    select: { position: true, createdAt: true, refs: true },
    orderBy: { position: 'asc' },
  })
  if (head === null) return null
  return { ...head, position: String(head.position), refs: head.refs?.slice(0, SHOWN) ?? null }
}
