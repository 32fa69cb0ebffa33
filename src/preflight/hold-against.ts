import type { Database } from '../database/database.ts'
import { changeRequests } from '../request/change-requests.sql.ts'
import { requestKey } from '../request/request-key.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Decision, decide, type ServerReading } from './decide.ts'
import { holdOrders, readHeldOrders, readTooLargeOrders, releaseOrders } from './orders.sql.ts'

/** Orders of one project that one reading is held against: of its queue, and of those held back. */
const QUEUED = 500
const HELD = 1000
/** CloudDC takes no order of more servers: as many ready ones do for any. */
const MOST_SERVERS = 100

export interface HoldAgainstContext {
  database: Database
  metrics: Metrics
  /** Requests of these keys have ended. */
  onEvents: (keys: Iterable<string>) => void
}

/** How soon the orders that stay want another reading: null where none stays. */
export type NextReading = 'soon' | 'later' | null

/**
 * Holds the orders of a project against a reading, and carries out what is decided. `room` is how many held ones may be
 * let into the queue: a reading is for the orders of the next seconds.
 */
export async function holdAgainst(
  context: HoldAgainstContext,
  reading: ServerReading,
  project: { projectId: string; holds: boolean; spoken: ReadonlySet<string>; room: number },
): Promise<NextReading> {
  const { database } = context
  const { projectId, holds, spoken, room } = project
  const { begunAt, ready, servers } = reading
  const query = { projectId, begunAt }
  const large =
    ready >= MOST_SERVERS ? [] : await readTooLargeOrders(database, { ...query, limit: QUEUED, ready })
  // Only a listing tells of selected servers: the next reading is one.
  const unread = servers === null ? large.filter((order) => order.servers !== null) : []
  const queued = decide(
    large.filter((order) => !unread.includes(order)),
    reading,
    { spoken, room: 0 },
  )
  const held = holds ? await readHeldOrders(database, { ...query, limit: HELD }) : []
  const decisions = decide(held, reading, { spoken, room })

  await failOrders(context, [...queued, ...decisions])
  const waiting = [...queued, ...decisions].flatMap(({ order, ...decision }) =>
    decision.does === 'stay' && decision.why !== null && decision.why.message !== order.heldFor
      ? [{ id: order.id, heldFor: decision.why.message }]
      : [],
  )
  await holdOrders(database, [...waiting, ...unread.map(({ id }) => ({ id, heldFor: null }))])
  context.metrics.preflight.orders.inc({ decision: 'waiting' }, waiting.length)
  const going = decisions.flatMap(({ order, does }) => (does === 'go' ? [order.id] : []))
  const released = await releaseOrders(database, going)
  context.metrics.preflight.orders.inc({ decision: 'released' }, released)

  const staying = decisions.filter(({ does }) => does === 'stay')
  const isUndecided = staying.some((decision) => decision.does === 'stay' && decision.why === null)
  if (isUndecided || unread.length > 0 || held.length === HELD) return 'soon'
  return staying.length > 0 || waiting.length > 0 ? 'later' : null
}

async function failOrders(
  { database, metrics, onEvents }: HoldAgainstContext,
  decisions: readonly Decision[],
): Promise<void> {
  const failing = decisions.flatMap((decision) => (decision.does === 'fail' ? [decision] : []))
  if (failing.length === 0) return
  const failed = await changeRequests(
    database,
    failing.map(({ order: { id, version }, why: { code, message, evidence } }) => ({
      id,
      version,
      to: 'failed' as const,
      change: { cause: 'not_ready', evidence, error: { code, message } },
    })),
  )
  metrics.preflight.orders.inc({ decision: 'failed' }, failed.size)
  metrics.requests.ended.inc({ state: 'failed' }, failed.size)
  onEvents(failing.flatMap(({ order }) => (failed.has(order.id) ? [requestKey(order)] : [])))
}

/** Lets all held orders go that no reading was held against yet, or all there are. */
export async function letGo(
  { database, metrics }: HoldAgainstContext,
  { projectId, all }: { projectId: string; all: boolean },
): Promise<void> {
  for (;;) {
    const held = await readHeldOrders(database, { projectId, begunAt: 'infinity', limit: HELD })
    const going = held.filter(({ heldFor }) => all || heldFor === null)
    const released = await releaseOrders(
      database,
      going.map(({ id }) => id),
    )
    metrics.preflight.orders.inc({ decision: 'released' }, released)
    if (held.length < HELD || released === 0) return
  }
}
