import { PublishError } from '../amqp/errors.ts'
import { createPublisher } from '../amqp/publisher.ts'
import { createQueueLength } from '../amqp/queue-length.ts'
import { DEAD_LETTER_QUEUE } from '../amqp/topology.ts'
import type { LimitRoutesOptions } from '../api/operations/limit-routes.ts'
import type { OperationsApi } from '../api/operations/operations-routes.ts'
import type { PauseRoutesOptions } from '../api/operations/pause-routes.ts'
import { ROLES } from '../config.ts'
import type { EventKind } from '../contracts/event-schemas.ts'
import { askForRun } from '../operations/ask-for-run.ts'
import { removeLimit, setLimit } from '../operations/change-limit.ts'
import { pause, resume } from '../operations/change-pause.ts'
import { createOverview } from '../operations/overview.ts'
import { createOperationsReads } from '../operations/reads.ts'
import { createLetterReplay } from '../operations/replay-letters.ts'
import { ResolveError, resolveByHand } from '../operations/resolve-by-hand.ts'
import { type Carry, type EventReplay, RunFailedError } from '../operations/run.ts'
import { createRunner } from '../operations/runner.ts'
import { stopRun } from '../operations/stop-run.ts'
import { NoReplayQueue, replayEvents, tryTarget } from '../outbox/replay.ts'
import { isTerminal } from '../request/provision-request.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { Loops, WakeUps } from './wake-ups.ts'

interface Operations {
  api: OperationsApi
  /** For those who answer operators. */
  services: Service[]
  /** Carries out what operators have asked for. */
  runs: { services: Service[] }
  loops: Loops<'runner'>
}

/** What operators see and do, and the replays that go on by themselves. */
export function buildOperations(core: Core, { onSettled, onRun, onLimits }: WakeUps): Operations {
  const { config, database, replica, broker, pollTimes, idleMs, metrics, logger } = core
  const rules = { settleMs: config.reconcileSettleMs, maxAttempts: config.maxAttempts, pollTimes }
  const queueLength = createQueueLength({ broker, queue: DEAD_LETTER_QUEUE })
  const publisher = createPublisher({ broker, logger, name: 'replays' })

  const replay: Carry<'events'> = async ({ params }, progress, signal) => {
    try {
      await replayEvents({
        ...{
          database,
          publisher,
          events: wantedBy(params),
          target: params.target,
          perSecond: params.perSecond,
        },
        after: progress.cursor ?? undefined,
        signal,
        onSent: () => {
          progress.done += 1
        },
        onReached: (rowId) => {
          progress.cursor = rowId
        },
      })
    } catch (error) {
      const full = error instanceof PublishError && error.kind === 'nacked'
      if (full || error instanceof NoReplayQueue) throw new RunFailedError(error.message, { cause: error })
      throw error
    }
  }
  const carriers = {
    dead_letters: createLetterReplay({ database, broker, publisher, queueLength, logger }),
    events: replay,
  }
  const runner = createRunner({ database, replica, carriers, idleMs, logger })

  const reads = createOperationsReads({ database })
  const overview = createOverview({
    database,
    reads,
    limits: {
      ofProject: core.limits.of,
      ofCredential: (id) => config.credentialRateLimits.get(id) ?? null,
    },
    lettersInQueue: queueLength.ask,
    brokerReady: core.brokerReady,
    // The replica that answers has the role api.
    roles: ROLES.filter((role) => role !== 'api'),
  })

  const api: OperationsApi = {
    reads,
    overview: overview.read,
    resolve: async (key, verdict, by) => {
      try {
        const { state, settled } = await resolveByHand(database, key, verdict, rules, by)
        if (isTerminal(state)) metrics.requests.ended.inc({ state }, settled.length)
        onSettled(settled)
        overview.changed()
        return null
      } catch (error) {
        if (error instanceof ResolveError) return error
        throw error
      }
    },
    inQueue: queueLength.ask,
    tryTarget: async (params) => {
      try {
        await tryTarget({ database, publisher, events: wantedBy(params), target: params.target })
        return 'taken'
      } catch (error) {
        if (error instanceof NoReplayQueue) return 'nobody'
        if (error instanceof PublishError) return 'unavailable'
        throw error
      }
    },
    run: async (kind, params, by) => {
      const id = await askForRun(database, kind, params, by)
      onRun()
      overview.changed()
      return id
    },
    stopRun: async (id, by) => {
      const stopped = await stopRun(database, id, by)
      overview.changed()
      return stopped
    },
    ...buildChanges(core, () => {
      onLimits()
      overview.changed()
    }),
  }
  const services = [publisher, readOnce('overview', overview.read)]
  return { api, services, runs: { services: [publisher, runner] }, loops: { runner } }
}

/** Reads at the start, for nobody: who comes first finds connections open, statements planned and code compiled. */
function readOnce(name: string, read: () => Promise<unknown>): Service {
  let reading: Promise<unknown> | undefined
  return {
    name,
    start: async () => {
      reading ??= read().catch(() => undefined)
    },
    stop: async () => {
      await reading
    },
  }
}

/** Changes of call limits, and pauses: `onChanged` when one is in force. */
function buildChanges(
  { database, limits, limitsInForce, config: { projects } }: Core,
  onChanged: () => void,
): LimitRoutesOptions & PauseRoutesOptions {
  const context = { database, limitsInForce, limitOf: limits.of, projects }
  const told = async <Result>(change: Promise<Result>): Promise<Result> => {
    const result = await change
    onChanged()
    return result
  }
  return {
    setLimit: (projectId, limit, by) => told(setLimit(context, projectId, limit, by)),
    removeLimit: (projectId, by) => told(removeLimit(context, projectId, by)),
    pause: (projectId, until, by) => told(pause(context, projectId, until, by)),
    resume: (projectId, by) => told(resume(context, projectId, by)),
  }
}

function wantedBy({ from, to, projectId, requestId, kinds }: EventReplay) {
  const chosen = kinds === undefined ? {} : { kinds: new Set(kinds as EventKind[]) }
  return { from, to, projectId, requestId, ...chosen }
}
