import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { PublishError } from '../amqp/errors.ts'
import type { OutgoingMessage } from '../amqp/message.ts'
import type { Publisher } from '../amqp/publisher.ts'
import { EVENT_EXCHANGE } from '../amqp/topology.ts'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { reached } from '../runtime/steps.ts'
import { createTurns } from '../runtime/turns.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createInHand } from './in-hand.ts'
import { createOrderedLanes, type LaneStep } from './ordered-lanes.ts'
import { type OutboxEvent, parkEvents, readEvents, removeEvents } from './outbox-events.sql.ts'
import { createReadCursor } from './read-cursor.ts'

const READ_LIMIT = 1000
/** Under load, one read serves the commits of so many milliseconds. */
const GAP_MS = 5
/** How soon events that another replica wrote are noticed. */
const IDLE_MS = 50
/** The relay's lease: short, because a second relay does no harm but repeated copies. */
const LEASE_MS = 5000
const LEASE_RENEW_MS = 1500
/** How long a replica without the duty waits before it asks again. */
const STANDBY_MS = 1000
const FIRST_RETURN_RETRY_MS = 2000
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

/**
 * Publishes what is committed and removes it once confirmed. One replica at a time relays: it reads the rows in
 * order without claiming each, keeps one event of a request in flight and those of many requests side by side.
 *
 * A row is removed only after the broker confirmed it. Every doubt (connection lost, confirm missing, relay
 * replaced) leads to another copy with the same id, never to a gap.
 */
export function createRelay(options: RelayOptions): Loop {
  const { database, publisher, brokerReady, replica, window, metrics, logger } = options
  const cursor = createReadCursor()
  const inHand = createInHand()
  const turns = createTurns({ shareMs: TURN_SHARE_MS, quiet: options.quiet })
  /** Times that events were given back to be read again. */
  let drops = 0
  let confirmed: number[] = []
  let returned: number[] = []
  let leaseCheckedAt = Number.NEGATIVE_INFINITY
  let holdsDuty = false
  let removing: Promise<void> | undefined

  const publish = (event: OutboxEvent): Promise<LaneStep> => {
    const startedAt = performance.now()
    const message: OutgoingMessage = {
      exchange: EVENT_EXCHANGE,
      routingKey: event.routingKey,
      body: event.body,
      mandatory: true,
      properties: {
        messageId: event.id,
        type: event.type,
        contentType: 'application/cloudevents+json',
        deliveryMode: 2,
        ...(event.correlationId === null ? {} : { correlationId: event.correlationId }),
      },
    }
    return publisher.publish(message).then(
      () => {
        reached('outbox.confirmed')
        metrics.outbox.published.inc()
        const confirmMs = performance.now() - startedAt
        metrics.outbox.confirmSeconds.observe(confirmMs / 1000)
        metrics.outbox.delaySeconds.observe((event.ageMs + confirmMs) / 1000)
        confirmed.push(event.position)
        removeSoon()
        return 'go on'
      },
      (error: unknown) => notConfirmed(event, error),
    )
  }

  const notConfirmed = (event: OutboxEvent, error: unknown): LaneStep => {
    if (!(error instanceof PublishError)) throw error
    if (error.kind !== 'returned' && error.kind !== 'unencodable') {
      if (error.kind === 'nacked') metrics.outbox.nacked.inc()
      if (error.kind === 'unknown') metrics.outbox.unknown.inc()
      return 'give up'
    }
    // Nobody has bound a queue for this kind: set aside, so that it holds up nothing that somebody waits for.
    metrics.outbox.returned.inc()
    returned.push(event.position)
    removeSoon()
    return 'go on'
  }

  const lanes = createOrderedLanes<OutboxEvent>({
    keyOf: (event) => event.orderingKey,
    run: publish,
    onDropped: (events) => {
      for (const event of events) inHand.delete(event.position)
      drops += 1
      cursor.restart()
    },
  })

  const removeSoon = () => {
    removing ??= remove().finally(() => {
      removing = undefined
    })
  }

  /** Removes what was confirmed while the removal before was under way. */
  const remove = async () => {
    await new Promise(setImmediate)
    while (confirmed.length + returned.length > 0) {
      const [done, parked] = [confirmed, returned]
      confirmed = []
      returned = []
      try {
        if (done.length > 0) await removeEvents(database, done)
        if (parked.length > 0) await parkEvents(database, parked, FIRST_RETURN_RETRY_MS)
        reached('outbox.removed')
        for (const position of [...done, ...parked]) inHand.delete(position)
      } catch (error) {
        logger.debug({ err: error }, 'published events not removed yet')
        confirmed.push(...done)
        returned.push(...parked)
        await sleep(200)
        if (loop.stopped()) return
      }
      loop.wake()
    }
  }

  const relays = async (): Promise<boolean> => {
    const now = performance.now()
    if (now - leaseCheckedAt > LEASE_RENEW_MS) {
      const held = await replica.holdDuty('relay', LEASE_MS)
      if (held && !holdsDuty) cursor.restart()
      holdsDuty = held
      leaseCheckedAt = now
    }
    return holdsDuty
  }

  const base = createLoop({
    name: 'outbox relay',
    logger,
    idleMs: STANDBY_MS,
    gapMs: GAP_MS,
    runOnce: async () => {
      // The process is just starting: it will be registered in a moment, and may have the duty then.
      if (!holdsDuty && !replica.holdsLease()) return { again: false, waitMs: IDLE_MS }
      if (!(await relays())) return { again: false }
      if (!brokerReady()) return { again: false, waitMs: 100 }
      const limit = Math.min(READ_LIMIT, window - inHand.size())
      if (limit <= 0) return { again: false, waitMs: IDLE_MS }
      const dropsBefore = drops
      const events = await readEvents(database, { after: cursor.start(), inHand: inHand.ranges(), limit })
      reached('outbox.read')
      // What was in hand when this read began, and is not any more, belongs before what it has found.
      const outdated = () => drops !== dropsBefore
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
    },
    onStop: async () => {
      await lanes.drained()
      await removing
    },
  })
  let stopping = false
  const loop = {
    ...base,
    stop: () => {
      stopping = true
      return base.stop()
    },
    stopped: () => stopping,
  }
  return loop
}
