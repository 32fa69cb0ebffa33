import type { Logger } from 'pino'
import { RECOVERY_INTERVAL_MS, recoverRates } from '../budget/adaptive-rate.sql.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import type { Database } from '../database/database.ts'
import { wantForgottenReadings } from '../preflight/wanted-readings.sql.ts'
import { ASK_MS, createHeldDuty } from '../replica/held-duty.ts'
import type { Replica } from '../replica/replica.ts'
import { changeRequests } from '../request/change-requests.sql.ts'
import { asIfAlone, createLoop, type IdleMs, type SharedLoop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { findExpired, findSleepingProjects, nextSweepMs, promoteRetries } from './due-sweeps.sql.ts'

/** How soon what another replica has postponed is known, where replicas do not hear each other. */
const INTERVAL_MS = 250
const BATCH = 500
/** The safety net under the wake-ups looks this rarely. */
const SLEEPING_INTERVAL_MS = 5000

export interface SweeperOptions {
  database: Database
  replica: Replica
  /** Whether rates are lowered by a 429, and recover. */
  adaptive?: boolean
  metrics?: Pick<Metrics, 'requests'>
  logger: Logger
  /** Called after requests became eligible or ended. */
  onMoved: () => void
  idleMs?: IdleMs
}

/** Carries out time-driven changes: retries that are due, deadlines that have passed, rates that recover. */
export function createSweeper(options: SweeperOptions): SharedLoop {
  const { database, replica, adaptive = false, metrics, logger, onMoved, idleMs = asIfAlone } = options
  const duty = createHeldDuty({ replica, duty: 'sweep' })
  let lookedForSleepingAt = Number.NEGATIVE_INFINITY
  let recoveredAt = performance.now()

  const promote = async () => {
    const projectIds = await promoteRetries(database, BATCH)
    await wakeProjects(database, projectIds)
    return projectIds.length
  }

  /** One that is claimed or withdrawn meanwhile does not expire. */
  const expire = async () => {
    const due = await findExpired(database, BATCH)
    const expired = await changeRequests(
      database,
      due.map(({ id, version }) => ({ id, version, ...EXPIRY })),
    )
    metrics?.requests.ended.inc({ state: 'expired' }, expired.size)
    return expired.size
  }

  const loop = createLoop({
    name: 'queue sweeper',
    logger,
    idleMs: () => idleMs(INTERVAL_MS),
    runOnce: async () => {
      if (!(await duty.take())) return { again: false, waitMs: ASK_MS }
      const dueInMs = await nextSweepMs(database)
      const moved = dueInMs > 0 ? [] : [await promote(), await expire()]
      const now = performance.now()
      if (adaptive && now - recoveredAt >= RECOVERY_INTERVAL_MS) {
        await recoverRates(database, now - recoveredAt)
        recoveredAt = now
      }
      if (now - lookedForSleepingAt >= SLEEPING_INTERVAL_MS) {
        lookedForSleepingAt = now
        const sleeping = await findSleepingProjects(database)
        if (sleeping.length > 0) {
          logger.debug({ projects: sleeping.length }, 'projects with work were asleep')
          await wakeProjects(database, sleeping)
        }
        moved.push(sleeping.length, await wantForgottenReadings(database))
      }
      if (moved.some((count) => count > 0)) onMoved()
      return moved.some((count) => count >= BATCH)
        ? { again: true }
        : { again: false, waitMs: dueInMs > 0 ? dueInMs : INTERVAL_MS }
    },
  })
  return { ...loop, serves: duty.isHeld }
}

/** The end of a request that was not dispatched in time. */
export const EXPIRY = {
  to: 'expired',
  change: {
    cause: 'deadline_passed',
    error: { code: 'deadline_passed', message: 'the deadline passed before the request was dispatched' },
  },
} as const
