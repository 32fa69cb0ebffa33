import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { noFaultPoint } from '../runtime/fault-point.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { type ClaimedInstance, claimInstances } from '../store/sql/claim-instances.ts'
import { settleBuckets } from '../store/sql/settle-buckets.ts'
import { effectOfFailure } from './poll-effect.ts'
import { pollIntervals } from './poll-schedule.ts'
import { createProjectPoll, type ProjectPollOptions } from './project-poll.ts'

/** ListInstances takes at most 100 ids (clouddc-api.md 3.2). */
const IDS_PER_CALL = 100
/** Instances per claim: what one pass can ask for at once. */
const CLAIM_LIMIT = 2000

export interface ReadinessPollerOptions extends ProjectPollOptions {
  pollMinMs: number
  pollMaxMs: number
  logger: Logger
}

/** Claims instances whose poll is due, asks CloudDC for up to 100 of a project per call, and records what it says. */
export function createReadinessPoller(options: ReadinessPollerOptions): Loop {
  const { database, limits, readinessShare, metrics, logger } = options
  const faultPoint = options.faultPoint ?? noFaultPoint
  const intervalsMs = pollIntervals({ minMs: options.pollMinMs, maxMs: options.pollMaxMs })
  const putOffMs = Math.min(1000, options.pollMinMs)
  const idleMs = Math.min(500, options.pollMinMs)
  /** Projects with calls under way. Claims leave them out, so that a slow one holds up no other. */
  const busy = new Map<string, Promise<void>>()
  /** Projects whose last poll failed: together they are one outage in the log. */
  const failing = new Set<string>()
  const outage = createOutageLog({ logger, subject: 'readiness polling' })
  const poll = createProjectPoll(options)

  /** Whether all went well. Never throws: what is not recorded now is polled again. */
  const pollSafely = async (projectId: string, claimed: readonly ClaimedInstance[]): Promise<boolean> => {
    try {
      await poll(projectId, claimed)
      return true
    } catch (error) {
      outage.failed(error)
      const effect = effectOfFailure(projectId, error)
      if (effect !== null) await settleBuckets(database, [effect]).catch(outage.failed)
      return false
    }
  }

  const pollProject = async (projectId: string, claimed: readonly ClaimedInstance[]): Promise<void> => {
    const results = await Promise.all(callsFor(claimed).map((call) => pollSafely(projectId, call)))
    busy.delete(projectId)
    if (results.includes(false)) failing.add(projectId)
    else failing.delete(projectId)
    if (failing.size === 0) outage.recovered()
  }

  return createLoop({
    name: 'readiness poller',
    logger,
    idleMs,
    runOnce: async () => {
      const { instances, more } = await claimInstances(database, {
        limit: CLAIM_LIMIT,
        intervalsMs,
        idsPerCall: IDS_PER_CALL,
        share: readinessShare,
        putOffMs,
        provisionTimeoutMs: limits.provisionTimeoutMs,
        exceptProjects: [...busy.keys()],
      })
      faultPoint('readiness.claimed')
      metrics.readiness.polls.inc(instances.length)
      const projects = Map.groupBy(instances, (instance) => instance.projectId)
      for (const [projectId, claimed] of projects) busy.set(projectId, pollProject(projectId, claimed))
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
