import type { Database } from '../database/database.ts'
import { changeRequests } from '../request/change-requests.sql.ts'
import type { RequestState } from '../request/provision-request.ts'
import type { RequestKey } from '../request/request-key.ts'

/** `cancelled` also when it was cancelled before; otherwise the state that made it too late. */
export type CancelOutcome = 'cancelled' | { state: RequestState } | 'unknown'

/**
 * Withdraws a request that is still queued, with its event. A request that has just been claimed is too late: its
 * call may be in progress. `onEnded` is called where this cancelled it.
 */
export async function cancelRequest(
  database: Database,
  { projectId, requestId }: RequestKey,
  onEnded: () => void = () => undefined,
): Promise<CancelOutcome> {
  for (;;) {
    const request = await database.prisma.provisionRequest.findUnique({
      where: { projectId_requestId: { projectId, requestId } },
      select: { id: true, state: true, version: true },
    })
    if (request === null) return 'unknown'
    const { id, state, version } = request
    if (state === 'cancelled') return 'cancelled'
    if (state !== 'queued') return { state }
    const changed = await changeRequests(database, [
      { id, version, to: 'cancelled', change: { cause: 'cancelled' } },
    ])
    if (changed.has(id)) {
      onEnded()
      return 'cancelled'
    }
    // It has changed since it was read: most likely it was claimed.
  }
}
