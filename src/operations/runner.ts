import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import { createHeldDuty, type DutyTimes } from '../replica/held-duty.ts'
import type { Replica } from '../replica/replica.ts'
import { coerceError } from '../runtime/errors.ts'
import { createLoop, type IdleMs, type SharedLoop } from '../runtime/run-loop.ts'
import { newUuid } from '../runtime/uuid.ts'
import { recordRun, type TakenRun, takeRun } from './carry-run.sql.ts'
import { type Carriers, RunFailedError, type RunKind, type RunProgress, readParams } from './run.ts'

const IDLE_MS = 500
/** How often progress is recorded, and the duty looked after. */
const RECORD_MS = 250
/** Shorter than of other duties, which are held all the time: these cost nothing but while a run is in progress. */
const TIMES: DutyTimes = { leaseMs: 2000, renewMs: 500, askMs: 500 }

export interface RunnerOptions {
  database: Database
  replica: Replica
  carriers: Carriers
  idleMs: IdleMs
  logger: Logger
}

/**
 * Carries out what operators have asked for, one run after the other, on one replica at a time. The run's row holds how far
 * it has come: when its replica stops, dies or loses the duty, another one goes on from there. A run that meets trouble
 * which may pass is tried again, and says meanwhile what holds it up.
 */
export function createRunner({ database, replica, carriers, idleMs, logger }: RunnerOptions): SharedLoop {
  const duty = createHeldDuty({ replica, duty: 'runs', times: TIMES })

  /** Ends when `over` aborts, and aborts it when the run is no longer ours or cannot be recorded. */
  const keep = async (run: Held, progress: RunProgress, over: AbortController): Promise<void> => {
    for (;;) {
      await sleep(RECORD_MS, undefined, { signal: over.signal }).catch(() => undefined)
      if (over.signal.aborted) return
      try {
        if ((await duty.take()) && (await recordRun(database, run, progress))) continue
        over.abort(new Error('the run is stopped, or another replica has it now'))
      } catch (error) {
        over.abort(error)
      }
    }
  }

  const carryOut = async (run: TakenRun & Held, stopping: AbortSignal): Promise<void> => {
    const { total, done, passedOver, cursor, startedAt, id, kind } = run
    const progress: RunProgress = { total, done, passedOver, cursor }
    const over = new AbortController()
    const signal = AbortSignal.any([over.signal, stopping])
    const keeping = keep(run, progress, over)
    const carry = carriers[kind as RunKind] as Carriers['events']
    let trouble: unknown = null
    try {
      await carry({ params: readParams(kind as 'events', run.params), startedAt }, progress, signal)
    } catch (error) {
      trouble = error
    }
    const stopped = signal.aborted
    over.abort()
    await keeping
    const failed = trouble instanceof RunFailedError
    const isOver = failed || (trouble === null && !stopped)
    const error = trouble === null || (stopped && !failed) ? null : coerceError(trouble).message
    await recordRun(database, run, progress, { error, over: isOver })
    if (isOver) logger.info({ run: id, kind, ...progress, error }, 'run ended')
    else if (error !== null) throw trouble
  }

  const loop = createLoop({
    name: 'runs',
    logger,
    idleMs: () => idleMs(IDLE_MS),
    runOnce: async (stopping) => {
      const isOpen = await database.prisma.operationRun.findFirst({
        where: { finishedAt: null },
        select: { id: true },
      })
      if (isOpen === null) return { again: false }
      if (!(await duty.take())) return { again: false, waitMs: TIMES.askMs }
      const holder = newUuid()
      const run = await takeRun(database, holder)
      if (run === null) return { again: false }
      await carryOut({ ...run, holder }, stopping)
      return { again: true }
    },
  })
  return { ...loop, serves: duty.isHeld }
}

interface Held {
  id: string
  holder: string
}
