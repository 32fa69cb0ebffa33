import type { Logger } from 'pino'
import type { Publisher } from '../amqp/publisher.ts'
import type { Database } from '../database/database.ts'
import { createHeldDuty, type HeldDuty } from '../replica/held-duty.ts'
import type { Replica } from '../replica/replica.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { createLoop, type Loop, type RunResult } from '../runtime/run-loop.ts'
import { reached } from '../runtime/steps.ts'
import { createTurns, type Turns } from '../runtime/turns.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createInHand, type InHand } from './in-hand.ts'
import { createOrderedLanes, type OrderedLanes } from './ordered-lanes.ts'
import { type OutboxEvent, readEvents } from './outbox-events.sql.ts'
import { type PublishContext, publishEvent } from './publish-event.ts'
import { createReadCursor, type ReadCursor } from './read-cursor.ts'
import { createRemovals } from './removals.ts'

const READ_LIMIT = 1000
/** Under load, one read serves the commits of so many milliseconds. */
const GAP_MS = 5
/** How soon events that another replica wrote are noticed. */
const IDLE_MS = 50
/** The relay's lease: short, because a second relay does no harm beyond repeated copies. */
const LEASE_MS = 5000
const LEASE_RENEW_MS = 1500
/** How long a replica without the duty waits before it asks again. */
const STANDBY_MS = 1000
/** Publishing one event takes about 0.03 ms, and a thousand may be read at once. */
const TURN_SHARE_MS = 4

export interface RelayOptions {
  database: Database
  publisher: Publisher
  /** Whether publishing has a chance at all. */
  brokerReady: () => boolean
  replica: Replica
  /** Most events read and not yet removed. */
  window: number
  metrics: Metrics
  logger: Logger
  quiet?: Quiet
}

interface ReadContext extends RelayOptions {
  duty: HeldDuty
  cursor: ReadCursor
  /** Events that were read and not yet removed. */
  inHand: InHand
  lanes: OrderedLanes<OutboxEvent>
  turns: Turns
  /** How often events were returned to be read again. */
  drops: () => number
}

/**
 * Publishes what is committed and removes it once confirmed. One replica at a time relays: it reads the rows in
 * order without claiming each, keeps one event of a request in flight and those of many requests side by side.
 *
 * A row is removed only after the broker confirmed it. Every doubt (connection lost, confirm missing, relay
 * replaced) leads to another copy with the same id, never to a gap.
 */
export function createRelay(options: RelayOptions): Loop {
  const { database, publisher, replica, metrics, logger } = options
  const stopping = new AbortController()
  const cursor = createReadCursor()
  const inHand = createInHand()
  let drops = 0

  const removals = createRemovals({
    database,
    logger,
    onRemoved: (positions) => {
      for (const position of positions) inHand.delete(position)
      loop.wake()
    },
    signal: stopping.signal,
  })
  const publishing: PublishContext = { publisher, removals, metrics }
  const lanes = createOrderedLanes<OutboxEvent>({
    keyOf: (event) => event.orderingKey,
    run: (event) => publishEvent(publishing, event),
    onDropped: (events) => {
      for (const event of events) inHand.delete(event.position)
      drops += 1
      cursor.restart()
    },
  })
  const duty = createHeldDuty({
    replica,
    duty: 'relay',
    leaseMs: LEASE_MS,
    renewMs: LEASE_RENEW_MS,
    onTaken: cursor.restart,
  })
  const turns = createTurns({ shareMs: TURN_SHARE_MS, quiet: options.quiet })

  const context: ReadContext = { ...options, duty, cursor, inHand, lanes, turns, drops: () => drops }
  const loop = createLoop({
    name: 'outbox relay',
    logger,
    idleMs: STANDBY_MS,
    gapMs: GAP_MS,
    runOnce: () => readOnce(context),
    onStop: async () => {
      await lanes.drained()
      await removals.drained()
    },
  })
  return {
    ...loop,
    stop: () => {
      stopping.abort()
      return loop.stop()
    },
  }
}

/** Reads on if this replica has the duty, and hands each event to the lane of its request. */
async function readOnce(context: ReadContext): Promise<RunResult> {
  const { database, brokerReady, replica, window, duty, cursor, inHand, lanes, turns, drops } = context
  // The process is just starting: it will be registered in a moment, and may have the duty then.
  if (!duty.had() && !replica.holdsLease()) return { again: false, waitMs: IDLE_MS }
  if (!(await duty.has())) return { again: false }
  if (!brokerReady()) return { again: false, waitMs: 100 }
  const limit = Math.min(READ_LIMIT, window - inHand.size())
  if (limit <= 0) return { again: false, waitMs: IDLE_MS }
  const dropsBefore = drops()
  const events = await readEvents(database, { after: cursor.start(), inHand: inHand.ranges(), limit })
  reached('outbox.read')
  // What was in hand when this read began, and is not any more, belongs before what it has found.
  const outdated = () => drops() !== dropsBefore
  if (outdated()) return { again: true }
  for (const event of events) {
    while (turns.over()) {
      await turns.next()
      if (outdated()) return { again: true }
    }
    inHand.add(event.position)
    lanes.add(event)
  }
  if (events.length > 0) reached('outbox.published')
  const cutShort = events.length === limit
  cursor.readTo(events.at(-1), cutShort)
  return cutShort ? { again: true } : { again: false, waitMs: IDLE_MS }
}
