import { requestCompleted } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import { findRequestId } from '../request/find-request-id.sql.ts'
import { type LockedRequest, lockRequests } from '../request/lock-requests.sql.ts'
import { type MoveRow, moveRequests } from '../request/move-requests.sql.ts'
import type { RequestState } from '../request/provision-request.ts'

/** `cancelled` also when it was cancelled before; otherwise the state that made it too late. */
export type CancelOutcome = 'cancelled' | { state: RequestState } | 'unknown'

/**
 * Withdraws a request that is still queued, with its event. A request that has just been claimed is too late: its
 * call may be in progress.
 */
export async function cancelRequest(
  database: Database,
  key: { projectId: string; requestId: string },
): Promise<CancelOutcome> {
  const id = await findRequestId(database, key)
  if (id === null) return 'unknown'
  return database.transaction(async (sql) => {
    const [request] = await lockRequests(sql, [id])
    if (request === undefined) return 'unknown'
    if (request.state === 'cancelled') return 'cancelled'
    if (request.state !== 'queued') return { state: request.state }
    await moveRequests(sql, [cancellationOf(request)])
    return 'cancelled'
  })
}

/** The end of a withdrawn request: pure. */
export function cancellationOf(request: LockedRequest): MoveRow {
  const { minCount: min, maxCount: max } = request
  return {
    id: request.id,
    from: 'queued',
    to: 'cancelled',
    cause: 'cancelled',
    evidence: null,
    running: 0,
    failed: 0,
    errorCode: null,
    errorMessage: null,
    events: [
      requestCompleted(request, {
        state: 'cancelled',
        counts: { min, max, created: 0, running: 0, failed: 0 },
        error: null,
      }),
    ],
  }
}
