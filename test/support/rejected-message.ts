import { v7 as uuidv7 } from 'uuid'
import type { Rejection } from '../../src/contracts/events.ts'
import type { RejectedMessage } from '../../src/intake/insert-rejections.sql.ts'

/** A rejected message as the store takes it; its letter has the event's ids. */
export function buildRejected(
  event: Rejection | null,
  letter: Partial<RejectedMessage['letter']> = {},
): RejectedMessage {
  const { projectId = null, requestId = null, code = 'invalid_json', detail = [] } = event ?? {}
  const row = { id: uuidv7(), at: new Date(), code, projectId, requestId, faults: detail, bytes: 100 }
  return { letter: { ...row, ...letter }, event }
}
