import { setTimeout as sleep } from 'node:timers/promises'
import { PublishError } from '../amqp/errors.ts'
import type { OutgoingMessage } from '../amqp/message.ts'
import type { Publisher } from '../amqp/publisher.ts'
import { REPLAY_EXCHANGE } from '../amqp/topology.ts'
import type { Event } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { type PastEvents, readPastEvents } from './past-events.ts'
import { messageOf } from './publish-event.ts'

const RETRY_MS = { minMs: 100, maxMs: 5000 }
/** With these delays, about half a minute. */
const MAX_TRIES = 12

/** Nobody would get what is replayed. */
export class NoReplayQueue extends Error {
  override readonly name = 'NoReplayQueue'
}

export interface ReplayOptions {
  database: Database
  publisher: Pick<Publisher, 'publish'>
  events: PastEvents
  /** The routing key that a queue is bound with to REPLAY_EXCHANGE. */
  target: string
  perSecond: number
  /** An event was confirmed. */
  onSent: () => void
}

/**
 * Sends past events again to one target, those of a request in order, each with the id and the body of its first time. What
 * the broker does not confirm is sent again, for half a minute.
 * @throws {NoReplayQueue} when no queue is bound with the target
 * @throws {PublishError} when the broker takes no event for too long
 */
export async function replayEvents(options: ReplayOptions): Promise<void> {
  const { database, events } = options
  const wait = createPace(options.perSecond)
  for await (const requests of readPastEvents(database, events)) {
    const stop = new AbortController()
    const sending = requests.map((ofOne) =>
      sendInOrder(ofOne, options, wait, stop.signal).catch((error: unknown) => stop.abort(error)),
    )
    await Promise.all(sending)
    stop.signal.throwIfAborted()
  }
}

async function sendInOrder(
  events: readonly Event[],
  { publisher, target, onSent }: ReplayOptions,
  wait: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (const event of events) {
    await wait()
    if (signal.aborted) return
    await send(publisher, messageOf(event, { exchange: REPLAY_EXCHANGE, routingKey: target }))
    onSent()
  }
}

async function send(publisher: Pick<Publisher, 'publish'>, message: OutgoingMessage): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await publisher.publish(message)
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      if (error.kind === 'returned')
        throw new NoReplayQueue(
          `no queue is bound to ${REPLAY_EXCHANGE} with the key "${message.routingKey}"`,
        )
      if (error.kind === 'unencodable' || tries >= MAX_TRIES) throw error
      await sleep(jitteredBackoff(tries, RETRY_MS))
    }
  }
}

/** Lets one pass every so often, in the order of the calls. */
function createPace(perSecond: number): () => Promise<void> {
  const gapMs = 1000 / perSecond
  let nextAt = Number.NEGATIVE_INFINITY
  return async () => {
    const now = performance.now()
    const at = Math.max(now, nextAt)
    nextAt = at + gapMs
    if (at > now) await sleep(at - now)
  }
}
