import type { Logger } from 'pino'
import type { Publisher } from '../amqp/publisher.ts'
import type { Database } from '../database/database.ts'
import { ASK_MS, createHeldDuty } from '../replica/held-duty.ts'
import type { Replica } from '../replica/replica.ts'
import type { Quiet } from '../runtime/quiet.ts'
import { asIfAlone, createLoop, type IdleMs, type SharedLoop } from '../runtime/run-loop.ts'
import { createTurns } from '../runtime/turns.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type PublishContext, publishEvent } from './publish-event.ts'
import { createRemovals } from './removals.ts'
import { createReturnedLog } from './returned-log.ts'
import { createTenure } from './tenure.ts'

/** One read serves the commits of so many milliseconds. */
const GAP_MS = 5
/** The same under load: after a pass that handed out so many events, with room for more. */
const LOADED_GAP_MS = 20
const LOADED_EVENTS = 16
/** How soon events that another replica wrote are noticed, where replicas do not hear each other. */
const IDLE_MS = 50
/** Publishing one event takes about 0.03 ms, and a thousand may be read at once. */
const TURN_SHARE_MS = 4

export interface RelayOptions {
  database: Database
  publisher: Pick<Publisher, 'send'>
  /** Whether publishing has a chance at all. */
  brokerReady: () => boolean
  replica: Replica
  /** Most events handed to the publisher and not yet confirmed. */
  window: number
  idleMs?: IdleMs
  metrics: Metrics
  logger: Logger
  quiet?: Quiet
}

/**
 * Publishes what is committed and removes it once confirmed. One replica at a time relays: it reads segments in order
 * without claiming each, keeps one event of a request in flight and those of many requests side by side.
 *
 * A segment is removed only after the broker confirmed all its events. Every doubt (connection lost, confirm missing,
 * relay replaced) leads to another copy with the same id, never to a gap.
 */
export function createRelay(options: RelayOptions): SharedLoop {
  const {
    database,
    publisher,
    brokerReady,
    replica,
    window,
    idleMs = asIfAlone,
    metrics,
    logger,
    quiet,
  } = options
  const stopping = new AbortController()
  const turns = createTurns({ shareMs: TURN_SHARE_MS, quiet })
  const logReturned = createReturnedLog({ logger })
  const publishing: PublishContext = { publisher, metrics, logger, onReturned: logReturned }

  const begin = () =>
    createTenure({
      database,
      publish: (event, done) => publishEvent(publishing, event, done),
      onPublished: (position) => removals.add(position),
      onRoom: () => loop.wake(),
      window,
      turns,
      metrics,
      logger,
    })
  const removals = createRemovals({
    database,
    logger,
    onRemoved: (positions) => tenure.forget(positions),
    signal: stopping.signal,
  })
  let tenure = begin()
  const duty = createHeldDuty({
    replica,
    duty: 'relay',
    onTaken: () => {
      // What is still in flight from an earlier tenure has left before anything that this one sends.
      void tenure.end()
      tenure = begin()
    },
  })

  let gapMs = GAP_MS
  const loop = createLoop({
    name: 'outbox relay',
    logger,
    idleMs: () => idleMs(IDLE_MS),
    gapMs: () => gapMs,
    runOnce: async () => {
      // The process is just starting: it will be registered in a moment, and may have the duty then.
      if (!duty.isHeld() && !replica.holdsLease()) return { again: false, waitMs: IDLE_MS }
      if (!(await duty.take())) return { again: false, waitMs: ASK_MS }
      if (!brokerReady()) return { again: false, waitMs: 100 }
      const left = await tenure.relay()
      gapMs = left === 'open' && tenure.lastHandedOut() >= LOADED_EVENTS ? LOADED_GAP_MS : GAP_MS
      if (left === 'more') return { again: true }
      return left === 'idle' ? { again: false } : { again: false, waitMs: IDLE_MS }
    },
    onStop: async () => {
      await tenure.end()
      await removals.drained()
    },
  })
  return {
    ...loop,
    serves: duty.isHeld,
    stop: () => {
      stopping.abort()
      return loop.stop()
    },
  }
}
