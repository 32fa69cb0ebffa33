import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { readOutboxHead } from './outbox-head.ts'
import { createStuckRequests, type StuckRequestsOptions } from './stuck-requests.ts'

const PAGE = 1000
/** Between pages of one round, and between rounds. */
const PAUSE_MS = 250
const IDLE_MS = 60_000
const DUTY_LEASE_MS = 180_000
/** Every lost wake-up is made up for within seconds (dispatch/sweeper.ts). */
const UNCHANGED_MS = 60_000
/** How long the first event may stay the first while the broker is fine. */
const FIRST_EVENT_MS = 600_000
/** Requests named in one line of the log. */
const SHOWN = 20

export interface PromiseWatchOptions {
  database: Database
  replica: Pick<Replica, 'holdDuty'>
  /** Whether publishing has a chance at all. */
  brokerReady: () => boolean
  restorePolls: StuckRequestsOptions['restorePolls']
  pageSize?: number
  idleMs?: number
  unchangedMs?: number
  firstEventMs?: number
  metrics: Pick<Metrics, 'invariantViolations'>
  logger: Logger
}

/**
 * Looks for promises broken unnoticed: requests that wait and that no step is due to look at (stuck), and a segment that
 * stays the first of the outbox although the broker takes messages (missing_event). Each is counted and logged once by
 * the replica that has this duty, and what points to a request is restored.
 */
export function createPromiseWatch(options: PromiseWatchOptions): Loop {
  const { database, replica, brokerReady, restorePolls, metrics, logger } = options
  const {
    pageSize = PAGE,
    idleMs = IDLE_MS,
    unchangedMs = UNCHANGED_MS,
    firstEventMs = FIRST_EVENT_MS,
  } = options
  const requests = createStuckRequests({ database, pageSize, unchangedMs, restorePolls })
  /** What this round has found, and what the previous round found. */
  let found = new Set<string>()
  let known = new Set<string>()
  let head: { position: string; since: number; told: boolean } | null = null

  /** Returns whether there is another page. */
  const lookForStuckRequests = async (): Promise<boolean> => {
    const { stuck, roundOver } = await requests.next()
    const keyed = stuck.map((request) => ({ key: `${request.id}/${request.version}`, request }))
    const fresh = keyed.filter(({ key }) => !known.has(key)).map(({ request }) => request)
    for (const { key } of keyed) found.add(key)
    if (fresh.length > 0) {
      metrics.invariantViolations.inc({ invariant: 'stuck' }, fresh.length)
      logger.error(
        { requests: fresh.length, first: fresh.slice(0, SHOWN) },
        'requests that no replica is due to look at',
      )
    }
    await requests.repair(stuck)
    if (!roundOver) return true
    known = found
    found = new Set()
    return false
  }

  const lookForMissingEvent = async () => {
    const first = brokerReady() ? await readOutboxHead(database) : null
    if (first === null || first.position !== head?.position) {
      head = first && { position: first.position, since: performance.now(), told: false }
      return
    }
    if (head.told || performance.now() - head.since < firstEventMs) return
    head.told = true
    metrics.invariantViolations.inc({ invariant: 'missing_event' })
    logger.error({ segment: first }, 'an event does not leave although the broker is fine')
  }

  return createLoop({
    name: 'promise watch',
    logger,
    idleMs,
    runOnce: async () => {
      if (!(await replica.holdDuty('promises', DUTY_LEASE_MS))) {
        head = null
        return { again: false }
      }
      await lookForMissingEvent()
      const isMore = await lookForStuckRequests()
      return isMore ? { again: false, waitMs: PAUSE_MS } : { again: false }
    },
  })
}
