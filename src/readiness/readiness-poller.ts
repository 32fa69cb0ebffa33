import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { applyCallResults, type BucketEffect } from '../budget/apply-call-results.sql.ts'
import { effectOfFailedReading, effectOfNoCall } from '../budget/call-effect.ts'
import { CloudDcNotSentError } from '../clouddc/errors.ts'
import { startAge } from '../runtime/age.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { reached } from '../runtime/steps.ts'
import { type ClaimedInstance, claimInstances } from './claim-instances.sql.ts'
import { pollIntervals } from './poll-schedule.ts'
import { type ClaimedCall, createProjectPoll, type ProjectPollOptions } from './project-poll.ts'

/** ListInstances takes at most 100 ids, says its page in the API reference of CloudDC. */
const IDS_PER_CALL = 100
/** Most instances due that one claim looks at. */
const CLAIM_LIMIT = 2000
/** Calls under way, of all projects and of one: one whose calls hang must leave room for others. */
export const POLLS_AT_ONCE = 64
const POLLS_PER_PROJECT = 4

export interface ReadinessPollerOptions extends ProjectPollOptions {
  pollMaxMs: number
  logger: Logger
}

/** Claims instances whose poll is due, asks CloudDC for up to 100 of a project per call, and records what it says. */
export function createReadinessPoller(options: ReadinessPollerOptions): Loop {
  const { database, limits, readinessShare, metrics, logger } = options
  const intervalsMs = pollIntervals({ minMs: options.pollMinMs, maxMs: options.pollMaxMs })
  const postponeMs = Math.min(1000, options.pollMinMs)
  const idleMs = Math.min(500, options.pollMinMs)
  /** Projects with calls under way. Claims leave them out, so that a slow one holds up no other. */
  const busy = new Map<string, Promise<void>>()
  let underWay = 0
  /** When a call of a project failed last, by performance.now(): together they are one outage in the log. */
  const failing = new Map<string, number>()
  const outage = createOutageLog({ logger, subject: 'readiness polling' })
  const poll = createProjectPoll(options)

  const failed = (projectId: string, error: unknown) => {
    failing.set(projectId, performance.now())
    outage.failed(error)
  }

  const succeeded = (projectId: string) => {
    failing.delete(projectId)
    // A project that is polled no more, or by others now, is no outage.
    const longAgo = performance.now() - 2 * options.pollMaxMs
    for (const [other, failedAt] of failing) if (failedAt < longAgo) failing.delete(other)
    if (failing.size === 0) outage.recovered()
  }

  const effectOf = (
    { projectId, instances: [one], age }: ClaimedCall,
    error: unknown,
  ): BucketEffect | null =>
    error instanceof CloudDcNotSentError
      ? effectOfNoCall(projectId, age(), one?.refillPerSecond ?? 0)
      : effectOfFailedReading(projectId, error, one?.troubles ?? 0)

  /** Whether all went well. Never throws: what is not recorded now is polled again. */
  const pollSafely = async (call: ClaimedCall, signal: AbortSignal): Promise<boolean> => {
    underWay += 1
    try {
      await poll(call, signal)
      return true
    } catch (error) {
      if (!(error instanceof CloudDcNotSentError)) failed(call.projectId, error)
      const effect = effectOf(call, error)
      if (effect !== null)
        await applyCallResults(database, [effect]).catch((fault: unknown) => failed(call.projectId, fault))
      return false
    } finally {
      underWay -= 1
    }
  }

  const pollProject = async (
    projectId: string,
    calls: readonly ClaimedCall[],
    signal: AbortSignal,
  ): Promise<void> => {
    const results = await Promise.all(calls.map((call) => pollSafely(call, signal)))
    busy.delete(projectId)
    if (!results.includes(false)) succeeded(projectId)
  }

  return createLoop({
    name: 'readiness poller',
    logger,
    idleMs,
    runOnce: async (signal) => {
      if (underWay >= POLLS_AT_ONCE) {
        await atMost(Promise.race(busy.values()), idleMs)
        return { again: true }
      }
      const age = startAge()
      const { instances, more } = await claimInstances(database, {
        limit: CLAIM_LIMIT,
        intervalsMs,
        idsPerCall: IDS_PER_CALL,
        share: readinessShare,
        postponeMs,
        provisionTimeoutMs: limits.provisionTimeoutMs,
        serverWaitMs: limits.serverWaitMs,
        exceptProjects: [...busy.keys()],
        callsPerProject: POLLS_PER_PROJECT,
        calls: POLLS_AT_ONCE - underWay,
      })
      reached('readiness.claimed')
      metrics.readiness.polls.inc(instances.length)
      const projects = Map.groupBy(instances, (instance) => instance.projectId)
      for (const [projectId, claimed] of projects) {
        const calls = callsFor(claimed).map((call) => ({ projectId, instances: call, age }))
        busy.set(projectId, pollProject(projectId, calls, signal))
      }
      await atMost(Promise.all([...projects.keys()].map((projectId) => busy.get(projectId))), idleMs)
      return { again: more }
    },
    onStop: async () => {
      await Promise.all(busy.values())
    },
  })
}

/** Resolves when `work` does, or after `ms`. */
async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  const ended = new AbortController()
  const pause = sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined)
  await Promise.race([work, pause])
  ended.abort()
}

/** Cuts the instances of a project into calls. */
export function callsFor(instances: readonly ClaimedInstance[]): ClaimedInstance[][] {
  const calls: ClaimedInstance[][] = []
  for (let from = 0; from < instances.length; from += IDS_PER_CALL) {
    calls.push(instances.slice(from, from + IDS_PER_CALL))
  }
  return calls
}
