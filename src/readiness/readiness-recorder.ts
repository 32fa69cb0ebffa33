import { instanceFailed, instanceRunning, type NewEvent, requestCompleted } from '../contracts/events.ts'
import { type Counts, completion } from '../domain/provision-request.ts'
import type { Database } from '../store/database.ts'
import { type LockedRequest, lockRequests } from '../store/sql/lock-requests.ts'
import { type MoveRow, moveRequests } from '../store/sql/move-requests.ts'
import {
  type ObservationRow,
  type ObservedInstance,
  recordObservations,
} from '../store/sql/record-observations.ts'

export interface ObservationResult {
  running: number
  failed: number
  completed: number
  /** The instances that ended with these observations. */
  ended: { id: string; state: string }[]
  /** Keys of the requests with events: `<project id>/<request id>`. */
  changed: string[]
}

/**
 * Records observations, the counts and completion of their requests, and all events, in one transaction. The
 * requests are locked first, so that two replicas that see the last two instances of a request run cannot both
 * think that one is missing.
 */
export async function recordReadiness(
  database: Database,
  rows: readonly ObservationRow[],
  provisionRequestIds: readonly string[],
): Promise<ObservationResult> {
  return database.transaction(async (sql) => {
    const requests = await lockRequests(sql, [...new Set(provisionRequestIds)])
    const observed = await recordObservations(sql, rows)
    const ended = observed.filter((instance) => instance.state !== 'pending')
    const moves = requests.flatMap((request) => {
      const own = ended.filter((instance) => instance.provisionRequestId === request.id)
      return own.length === 0 ? [] : [moveOf(request, own)]
    })
    if (moves.length > 0) await moveRequests(sql, moves)
    return {
      running: ended.filter((instance) => instance.state === 'running').length,
      failed: ended.filter((instance) => instance.state === 'failed').length,
      completed: moves.filter((move) => move.to !== null).length,
      ended: ended.map(({ id, state }) => ({ id, state })),
      changed: moves.flatMap((move) => move.events.slice(0, 1).map((event) => event.orderingKey)),
    }
  })
}

/** The change of a request some of whose instances have ended: pure. */
export function moveOf(request: LockedRequest, ended: readonly ObservedInstance[]): MoveRow {
  const running = ended.filter((instance) => instance.state === 'running').length
  const failed = ended.length - running
  const counts: Counts = {
    min: request.minCount,
    max: request.maxCount,
    created: request.createdCount,
    running: request.runningCount + running,
    failed: request.failedCount + failed,
  }
  const to = completion(counts)
  const error = to === 'failed' ? tooFewRunning(counts) : null
  const events: NewEvent[] = ended.map((instance) =>
    instance.state === 'running'
      ? instanceRunning(request, {
          instanceId: instance.id,
          name: instance.name ?? '',
          serverId: instance.serverId,
          runningAt: instance.runningAt ?? new Date(),
        })
      : instanceFailed(request, {
          instanceId: instance.id,
          error: { code: instance.errorCode ?? 'instance_failed', message: instance.errorMessage ?? '' },
        }),
  )
  if (to !== null) {
    events.push(
      requestCompleted(request, {
        state: to,
        counts,
        error: error === null ? null : { ...error, at: new Date() },
      }),
    )
  }
  return {
    id: request.id,
    from: 'provisioning',
    to,
    cause: 'instances_ended',
    evidence: to === null ? null : counts,
    running,
    failed,
    errorCode: error?.code ?? null,
    errorMessage: error?.message ?? null,
    events,
  }
}

function tooFewRunning({ min, running, failed }: Counts) {
  return {
    code: 'too_few_running',
    message: `${running} of at least ${min} instances run, ${failed} failed`,
  }
}
