import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfFailedReading, effectOfRecovery } from '../budget/call-effect.ts'
import { createLateness, type Lateness } from '../budget/lateness.ts'
import { NotPaidError } from '../budget/paid-reading.ts'
import { NO_CREDENTIALS, type PayingCredentials } from '../budget/paying-credentials.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcAccessError, CloudDcThrottledError, CloudDcUnreachableError } from '../clouddc/errors.ts'
import { startAge } from '../runtime/age.ts'
import { asIfAlone, createLoop, type IdleMs, type Loop, type RunResult } from '../runtime/run-loop.ts'
import { beginReading, readSpokenServers } from './begin-reading.sql.ts'
import { type HoldAgainstContext, holdAgainst, letGo } from './hold-against.ts'
import { readingTimes, restMs } from './pace.ts'
import { createReadingCalls } from './read-servers.ts'
import { createReadingLog, isNotAllowed, type ReadingLog } from './reading-log.ts'
import { postponeReading, recordReading } from './record-reading.sql.ts'
import { takeReadings, type WantedReading } from './wanted-readings.sql.ts'

/** Readings of one replica at once. */
export const READINGS_AT_ONCE = 32
/** How soon a wish is seen, where nobody tells of it. */
const INTERVAL_MS = 250
/** The longest that orders wait for a token, and then for an answer: after that they go without. */
const PAY_MS = 8000
const ANSWER_MS = 5000
/** While a project or its credential is closed, its orders stay where they are; it is tried again after this. */
const CLOSED_MS = 5000
/** A reading that fails is tried so often in a row, and not again once trying has taken so long. */
const TRIES = 3
const MOST_TRYING_MS = 2000

export interface PreflightOptions extends HoldAgainstContext {
  client: Pick<CloudDcClient, 'countReadyServers' | 'listServers'>
  credentials?: PayingCredentials
  /** Off, it only lets go what others have held. */
  on: boolean
  /** Whether a 429 lowers the rate of its project. */
  adaptive?: boolean
  idleMs?: IdleMs
  logger: Logger
  /** Orders may go now. */
  onOpen: () => void
}

interface PreflightContext extends PreflightOptions {
  credentials: PayingCredentials
  lateness: Lateness
  log: ReadingLog
  /** Readings under way, by project. */
  inHand: Map<string, Promise<void>>
}

/**
 * Reads the servers of projects whose orders wait to be held against them, and records what it has read for the claims.
 * A reading that fails harms nothing: orders then go as without preflight.
 */
export function createPreflight(options: PreflightOptions): Loop {
  const { idleMs = asIfAlone, logger } = options
  const context: PreflightContext = {
    ...options,
    credentials: options.credentials ?? NO_CREDENTIALS,
    lateness: createLateness(),
    log: createReadingLog({ logger }),
    inHand: new Map(),
  }
  const loop = createLoop({
    name: 'preflight',
    logger,
    idleMs: () => idleMs(INTERVAL_MS),
    runOnce: (signal) => readOnce(context, signal, (inMs) => loop.wake(inMs)),
    onStop: async () => {
      await Promise.all(context.inHand.values())
      await context.credentials.drained()
    },
  })
  return loop
}

async function readOnce(
  context: PreflightContext,
  signal: AbortSignal,
  wakeIn: (ms: number) => void,
): Promise<RunResult> {
  const { database, inHand, logger } = context
  const room = READINGS_AT_ONCE - inHand.size
  if (room <= 0) return { again: false }
  const { wanted, nextInMs } = await takeReadings(database, room)
  for (const reading of wanted) {
    const { projectId } = reading
    const done = readProject(context, reading, signal)
      .catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ err: error, projectId }, 'a reading of servers was not recorded')
        return null
      })
      .then((nextInMs) => {
        const othersWait = inHand.size >= READINGS_AT_ONCE
        inHand.delete(projectId)
        if (othersWait) wakeIn(0)
        else if (nextInMs !== null) wakeIn(Math.max(0, nextInMs))
      })
    inHand.set(projectId, done)
  }
  return { again: false, ...(nextInMs === null ? {} : { waitMs: Math.max(1, nextInMs) }) }
}

/**
 * Reads, decides, records, and lets the orders go that may. Returns the milliseconds until the project's next reading,
 * null where none is wanted.
 */
async function readProject(
  context: PreflightContext,
  wanted: WantedReading,
  signal: AbortSignal,
): Promise<number | null> {
  const { database, client, credentials, on, lateness, metrics, onOpen } = context
  const { projectId, perSecond, holds, readsServers } = wanted
  const times = readingTimes(perSecond)
  const age = startAge()
  const calls = createReadingCalls({
    database,
    client,
    projectId,
    lateness,
    credentials,
    limitMs: PAY_MS,
    signal,
    onToken: () => metrics.dispatch.tokensTaken.inc(),
  })
  let begun = await beginReading(database, projectId)
  if (begun === undefined) return null
  if (!on) return goWithout(context, wanted, { begunAt: begun.begunAt, why: 'forbidden', rests: 1 })
  let nextInMs: number | null
  try {
    const waited = await calls.pay()
    const spoken = holds ? await readSpokenServers(database, projectId) : new Set<string>()
    // A later begin serves the orders that have come in between; an earlier one is as true.
    if (waited) begun = (await beginReading(database, projectId)) ?? begun
    const { ready, servers } = await inTime(calls.read(holds || readsServers), signal)
    const { begunAt, ordered, underWay } = begun
    metrics.preflight.readings.inc({ result: 'read' })
    context.log.read(projectId)
    if (wanted.troubles > 0) await applyCallResults(database, [effectOfRecovery(projectId)])
    const reading = { begunAt, ready, taken: underWay, servers }
    const room = Math.ceil(10 + (perSecond * times.lifeMs) / 1000)
    const next = await holdAgainst(context, reading, { projectId, holds, spoken, room })
    nextInMs = await recordReading(database, {
      ...times,
      projectId,
      begunAt,
      readyLimit: ordered + ready - underWay,
      nextMs: next === null ? null : next === 'soon' ? times.gapMs : times.renewMs,
      readsServers,
    })
  } catch (error) {
    if (signal.aborted) throw error
    nextInMs = await failed(context, wanted, { begunAt: begun.begunAt, age, error })
  }
  await wakeProjects(database, [projectId])
  onOpen()
  return nextInMs
}

/** A reading was not to be had: it is tried again, or else orders go without one. */
async function failed(
  context: PreflightContext,
  wanted: WantedReading,
  { begunAt, age, error }: { begunAt: string; age: () => number; error: unknown },
): Promise<number | null> {
  const { database, adaptive, metrics, log } = context
  const { projectId, perSecond, troubles } = wanted
  const { gapMs } = readingTimes(perSecond)
  const again = (nextMs: number) =>
    postponeReading(database, { projectId, nextMs: Math.max(nextMs, gapMs), gapMs })
  if (error instanceof NotPaidError) {
    metrics.preflight.readings.inc({ result: 'not_paid' })
    return error.closed ? again(CLOSED_MS) : goWithout(context, wanted, { begunAt, why: 'failed', rests: 1 })
  }
  const why = isNotAllowed(error) ? 'forbidden' : 'failed'
  metrics.preflight.readings.inc({ result: why === 'forbidden' ? 'not_allowed' : 'failed' })
  const failures = log.failed(projectId, why, error)
  if (why === 'forbidden') return goWithout(context, wanted, { begunAt, why, rests: 1 })
  const effect = effectOfFailedReading(error, { projectId, troubles, adaptive })
  if (effect !== null) await applyCallResults(database, [effect])
  const rests = failures - TRIES + 1
  if (rests > 0) return goWithout(context, wanted, { begunAt, why, rests })
  // Any other call would have met it as well.
  if (error instanceof CloudDcThrottledError || error instanceof CloudDcAccessError) return again(CLOSED_MS)
  return age() < MOST_TRYING_MS ? again(0) : goWithout(context, wanted, { begunAt, why, rests: 1 })
}

/** Lets the orders of a project go as without preflight, for a while that grows with `rests`, its number in a row. */
async function goWithout(
  context: PreflightContext,
  { projectId, perSecond, holds, readsServers }: WantedReading,
  { begunAt, why, rests }: { begunAt: string; why: 'forbidden' | 'failed'; rests: number },
): Promise<number | null> {
  const restingMs = restMs(why, rests, perSecond)
  // Those that are known to lack servers wait for a reading that says otherwise, if one can be had.
  if (holds) await letGo(context, { projectId, all: why === 'forbidden' })
  return recordReading(context.database, {
    projectId,
    begunAt,
    readyLimit: null,
    renewMs: restingMs,
    lifeMs: PAY_MS + ANSWER_MS + restingMs,
    nextMs: holds && why === 'failed' ? PAY_MS + ANSWER_MS + restingMs : null,
    gapMs: readingTimes(perSecond).gapMs,
    readsServers,
  })
}

/** A call that hangs must not hold up the orders for long. */
async function inTime<Result>(reading: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const ended = new AbortController()
  const giveUp = sleep(ANSWER_MS, undefined, { signal: AbortSignal.any([signal, ended.signal]) }).then(() => {
    throw new CloudDcUnreachableError(`no answer within ${ANSWER_MS} ms`, { code: 'READING_OVERDUE' })
  })
  try {
    return await Promise.race([reading, giveUp])
  } finally {
    ended.abort()
    reading.catch(() => undefined)
    giveUp.catch(() => undefined)
  }
}
