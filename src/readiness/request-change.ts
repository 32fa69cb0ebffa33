import type { Change } from '../request/history.ts'
import { type Counts, completion, isTerminal } from '../request/provision-request.ts'
import type { PendingFacts } from './find-pending.sql.ts'

/** A pending instance that has ended. */
export interface EndedInstance extends PendingFacts {
  state: 'running' | 'failed'
}

/** What the end of instances means for their request. */
export interface RequestChange {
  /** The request's row. */
  id: string
  /** The one it is made for: the fence. */
  version: number
  to: ReturnType<typeof completion>
  /** Instances that came to run, and that failed, with it. */
  running: number
  failed: number
  /** Their ids, in the order of their events. */
  ended: readonly string[]
  /** Null where the state stays. */
  change: Change | null
}

/**
 * The change of a request some of whose instances have ended, at least one: pure. A request that had ended before they
 * were found counts them, and stays in its state.
 */
export function requestChange(ended: readonly EndedInstance[]): RequestChange {
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
  return {
    id: request.provisionRequestId,
    version: request.version,
    to,
    running,
    failed,
    ended: ended.map(({ id }) => id),
    change: to && {
      to,
      cause: 'instances_ended',
      counts,
      ...(to === 'failed' ? { error: tooFewRunning(counts) } : {}),
    },
  }
}

function tooFewRunning({ min, running, failed }: Counts) {
  return {
    code: 'too_few_running',
    message: `${running} of at least ${min} instances run, ${failed} failed`,
  }
}
