import type { Logger } from 'pino'
import { recoverRates } from '../budget/recover-rates.sql.ts'
import { wakeProjects } from '../budget/wake-projects.sql.ts'
import { requestCompleted } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { type LockedRequest, lockRequests } from '../request/lock-requests.sql.ts'
import { type MoveRow, moveRequests } from '../request/move-requests.sql.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { findSleepingProjects, lockExpired, promoteRetries } from './due-sweeps.sql.ts'

const INTERVAL_MS = 250
const LEASE_MS = 5000
const BATCH = 500
/** A rate that a 429 has slowed down recovers by this part of itself each time: all of it in two minutes or so. */
const RECOVERY_INTERVAL_MS = 1000
const RECOVERY_PART = 0.01
/** The safety net under the wake-ups looks this rarely. */
const SLEEPING_INTERVAL_MS = 5000

export interface SweeperOptions {
  database: Database
  replica: Replica
  logger: Logger
  /** Called after requests became eligible or ended. */
  onMoved: () => void
}

/** Carries out time-driven changes: retries that are due, deadlines that have passed, rates that recover. */
export function createSweeper({ database, replica, logger, onMoved }: SweeperOptions): Loop {
  let lookedForSleepingAt = Number.NEGATIVE_INFINITY
  let recoveredAt = Number.NEGATIVE_INFINITY

  const promote = async () => {
    const projectIds = await promoteRetries(database, BATCH)
    await wakeProjects(database, projectIds)
    return projectIds.length
  }

  const expire = async () => {
    const ends = await database.transaction(async (sql) => {
      const ids = await lockExpired(sql, BATCH)
      const moves = (ids.length === 0 ? [] : await lockRequests(sql, ids)).map(endingOf)
      if (moves.length > 0) await moveRequests(sql, moves)
      return moves
    })
    return ends.length
  }

  return createLoop({
    name: 'queue sweeper',
    logger,
    idleMs: 1000,
    runOnce: async () => {
      if (!(await replica.holdDuty('sweep', LEASE_MS))) return { again: false, waitMs: 1000 }
      const moved = [await promote(), await expire()]
      const now = performance.now()
      if (now - recoveredAt >= RECOVERY_INTERVAL_MS) {
        recoveredAt = now
        await recoverRates(database, RECOVERY_PART)
      }
      if (now - lookedForSleepingAt >= SLEEPING_INTERVAL_MS) {
        lookedForSleepingAt = now
        const sleeping = await findSleepingProjects(database)
        if (sleeping.length > 0) {
          logger.debug({ projects: sleeping.length }, 'projects with work were asleep')
          await wakeProjects(database, sleeping)
        }
        moved.push(sleeping.length)
      }
      if (moved.some((count) => count > 0)) onMoved()
      return moved.some((count) => count >= BATCH) ? { again: true } : { again: false, waitMs: INTERVAL_MS }
    },
  })
}

const NOT_IN_TIME = {
  state: 'expired',
  code: 'deadline_passed',
  message: 'the deadline passed before the request was dispatched',
} as const

/** The end of a request that was not dispatched in time. Pure. */
export function endingOf(request: LockedRequest): MoveRow {
  const { state, code, message } = NOT_IN_TIME
  const counts = { min: request.minCount, max: request.maxCount, created: 0, running: 0, failed: 0 }
  return {
    id: request.id,
    from: request.state,
    to: state,
    cause: code,
    evidence: null,
    running: 0,
    failed: 0,
    errorCode: code,
    errorMessage: message,
    events: [requestCompleted(request, { state, counts, error: { code, message } })],
  }
}
