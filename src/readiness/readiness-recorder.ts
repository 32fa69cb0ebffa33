import { demandAudits } from '../attempt/demand-audits.sql.ts'
import { instanceFailed, instanceRunning, type NewEvent, requestCompleted } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import { INSTANCE_NOT_FOUND } from '../request/instance.ts'
import { type MoveRow, moveRequests } from '../request/move-requests.sql.ts'
import { type Counts, completion, isTerminal } from '../request/provision-request.ts'
import { type EndedInstance, type ObservationRow, recordObservations } from './record-observations.sql.ts'

export interface ObservationResult {
  /** The instances that ended with these observations. */
  ended: readonly EndedInstance[]
  /** Requests that ended with them. */
  completed: number
  /** Keys of the requests with events: `<project id>/<request id>`. */
  changed: string[]
}

/**
 * Records observations, the counts and completion of their requests, and all events, in one transaction. The attempts
 * of instances that do not exist are audited.
 * `serverPollMs`: to the next poll of an instance that runs and is not listed so yet.
 */
export async function recordReadiness(
  database: Database,
  rows: readonly ObservationRow[],
  serverPollMs: number,
): Promise<ObservationResult> {
  return database.transaction(async (sql) => {
    await demandAudits(
      sql,
      rows.filter((row) => row.errorCode === INSTANCE_NOT_FOUND),
    )
    const ended = await recordObservations(sql, rows, serverPollMs)
    const moves = [...Map.groupBy(ended, (instance) => instance.provisionRequestId).values()].map(moveOf)
    if (moves.length > 0) await moveRequests(sql, moves)
    return {
      ended,
      completed: moves.filter((move) => move.to !== null).length,
      changed: moves.flatMap((move) => move.events.slice(0, 1).map((event) => event.orderingKey)),
    }
  })
}

/**
 * The change of a request some of whose instances have ended, at least one: pure. A request that had ended before they
 * were found counts them, and stays in its state.
 */
export function moveOf(ended: readonly EndedInstance[]): MoveRow {
  const [request] = ended
  if (request === undefined) throw new Error('no instance has ended')
  const running = ended.filter((instance) => instance.state === 'running').length
  const failed = ended.length - running
  const counts: Counts = {
    min: request.minCount,
    max: request.maxCount,
    created: request.createdCount,
    running: request.runningCount + running,
    failed: request.failedCount + failed,
  }
  const to = isTerminal(request.requestState) ? null : completion(counts)
  const error = to === 'failed' ? tooFewRunning(counts) : null
  const events: NewEvent[] = ended.map((instance) =>
    instance.state === 'running'
      ? instanceRunning(request, {
          instanceId: instance.id,
          name: instance.name ?? '',
          serverId: instance.serverId,
          networkInterfaces: instance.networkInterfaces,
          imageId: instance.imageId,
          runningAt: instance.runningAt,
        })
      : instanceFailed(request, {
          instanceId: instance.id,
          error: { code: instance.errorCode ?? 'instance_failed', message: instance.errorMessage ?? '' },
        }),
  )
  if (to !== null) {
    events.push(requestCompleted(request, { state: to, counts, error }))
  }
  return {
    id: request.provisionRequestId,
    from: request.requestState,
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
