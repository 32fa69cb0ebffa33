import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { MEMBERS_PER_POLL } from '../attempt/insert-polls.sql.ts'
import { applyCallResults, type BucketEffect } from '../budget/apply-call-results.sql.ts'
import { effectOfFailedReading, effectOfNoCall } from '../budget/call-effect.ts'
import { createLateness } from '../budget/lateness.ts'
import { NO_CREDENTIALS, type PayingCredentials } from '../budget/paying-credentials.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcNotSentError } from '../clouddc/errors.ts'
import type { BootCurve } from '../forecast/boot-curve.ts'
import { startAge } from '../runtime/age.ts'
import { asIfAlone, createLoop, type IdleMs, type Loop, type RunResult } from '../runtime/run-loop.ts'
import { reached } from '../runtime/steps.ts'
import { newUuid } from '../runtime/uuid.ts'
import { claimPolls } from './claim-polls.sql.ts'
import { pollIntervals } from './poll-schedule.ts'
import { createProjectOutages, type ProjectOutages } from './project-outages.ts'
import { type PaidPoll, type PollContext, pollInstances } from './project-poll.ts'
import { createReschedule } from './reschedule.ts'
import { createSightingRecorder, type SightingRecorderOptions } from './sighting-recorder.ts'

/** Most polls due that one claim looks at. */
const CLAIM_LIMIT = 256
/** Calls in progress, of all projects and of one: a project whose calls hang must leave room for others. */
export const POLLS_AT_ONCE = 64
const POLLS_PER_PROJECT = 4

export interface ReadinessPollerOptions extends SightingRecorderOptions {
  client: CloudDcClient
  /** 0..1 of the call budget. */
  readinessShare: number
  credentials?: PayingCredentials
  /** Whether a 429 lowers the rate of its project. */
  adaptive?: boolean
  pollMaxMs: number
  /** What is known of boot times, to poll by it; absent: intervals grow. */
  curveOf?: (key: { projectId: string; imageId: string }) => BootCurve | null
  idleMs?: IdleMs
  logger: Logger
}

interface PollerContext extends ReadinessPollerOptions, PollContext {
  client: CloudDcClient
  credentials: PayingCredentials
  /** From one poll of an instance to the next (poll-schedule.ts). */
  intervalsMs: number[]
  /** The longest wait for calls under way, and for instances that are not known to be due. */
  waitMs: number
  /** Projects with calls under way. Claims leave them out, so that a slow one holds up no other. */
  busy: Map<string, Promise<void>>
  underWay: Set<PaidPoll>
  outages: ProjectOutages
}

/** Claims polls that are due, asks CloudDC for up to 100 instances of a project per call, and records what it says. */
export function createReadinessPoller(options: ReadinessPollerOptions): Loop {
  const { database, pollMinMs, pollMaxMs, curveOf, idleMs = asIfAlone, logger } = options
  const intervalsMs = pollIntervals({ minMs: pollMinMs, maxMs: pollMaxMs })
  const waitMs = Math.min(500, pollMinMs)
  const context: PollerContext = {
    ...options,
    credentials: options.credentials ?? NO_CREDENTIALS,
    waitMs,
    intervalsMs,
    reschedule: curveOf === undefined ? undefined : createReschedule({ database, intervalsMs, curveOf }),
    busy: new Map(),
    underWay: new Set(),
    outages: createProjectOutages({ logger, forgetMs: 2 * pollMaxMs }),
    lateness: createLateness(),
    recordSightings: createSightingRecorder(options),
  }
  return createLoop({
    name: 'readiness poller',
    logger,
    idleMs: () => idleMs(waitMs),
    runOnce: (signal) => pollOnce(context, signal),
    onStop: async () => {
      await Promise.all(context.busy.values())
      await context.credentials.drained()
    },
  })
}

/** Claims what is due, sets its calls going, and gives them `waitMs` before the next claim. */
async function pollOnce(context: PollerContext, signal: AbortSignal): Promise<RunResult> {
  const { database, limits, waitMs, busy, underWay, metrics } = context
  if (underWay.size >= POLLS_AT_ONCE) {
    await atMost(Promise.race(busy.values()), waitMs)
    return { again: true }
  }
  const age = startAge()
  const payment = newUuid()
  const { polls, more, nextInMs } = await claimPolls(database, {
    ...limits,
    limit: CLAIM_LIMIT,
    intervalsMs: context.intervalsMs,
    idsPerCall: MEMBERS_PER_POLL,
    share: context.readinessShare,
    postponeMs: Math.min(1000, context.pollMinMs),
    exceptProjects: [...busy.keys()],
    callsPerProject: POLLS_PER_PROJECT,
    calls: POLLS_AT_ONCE - underWay.size,
    lateMs: context.lateness.usualMs(),
    payment,
  })
  reached('readiness.claimed')
  metrics.dispatch.tokensTaken.inc(polls.length)
  metrics.readiness.polls.inc(polls.reduce((sum, { members }) => sum + members.length, 0))
  const projects = Map.groupBy(polls, ({ projectId }) => projectId)
  for (const [projectId, claimed] of projects) {
    const calls = claimed.map((poll) => ({ ...poll, poll, age, payment }))
    busy.set(projectId, pollProject(context, projectId, calls, signal))
  }
  // Nothing is due, so the next time is known; where nothing is pending, a settlement will tell. What calls under way
  // find may be due sooner.
  if (polls.length === 0 && nextInMs > 0 && busy.size === 0) return { again: false, waitMs: nextInMs }
  await atMost(Promise.all([...projects.keys()].map((projectId) => busy.get(projectId))), waitMs)
  return more ? { again: true } : { again: false, waitMs }
}

async function pollProject(
  context: PollerContext,
  projectId: string,
  calls: readonly PaidPoll[],
  signal: AbortSignal,
): Promise<void> {
  const results = await Promise.all(calls.map((call) => pollSafely(context, call, signal)))
  context.busy.delete(projectId)
  if (!results.includes(false)) context.outages.succeeded(projectId)
}

/** Whether all went well. Never throws: what is not recorded now is polled again. */
async function pollSafely(context: PollerContext, call: PaidPoll, signal: AbortSignal): Promise<boolean> {
  const { database, adaptive, underWay, outages } = context
  const { projectId } = call.poll
  underWay.add(call)
  try {
    await pollInstances(context, call, signal)
    return true
  } catch (error) {
    if (!(error instanceof CloudDcNotSentError)) outages.failed(projectId, error)
    const effect = effectOf(call, adaptive ?? false, error)
    if (effect !== null)
      await applyCallResults(database, [effect]).catch((fault: unknown) => outages.failed(projectId, fault))
    return false
  } finally {
    underWay.delete(call)
  }
}

function effectOf({ poll, payment }: PaidPoll, adaptive: boolean, error: unknown): BucketEffect | null {
  const { projectId, troubles } = poll
  return error instanceof CloudDcNotSentError
    ? effectOfNoCall({ projectId, payment })
    : effectOfFailedReading(error, { projectId, troubles, adaptive })
}

/** Resolves when `work` does, or after `ms`. */
async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  const ended = new AbortController()
  const pause = sleep(ms, undefined, { signal: ended.signal }).catch(() => undefined)
  await Promise.race([work, pause])
  ended.abort()
}
