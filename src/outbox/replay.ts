import { PublishError } from '../amqp/errors.ts'
import { publishPatiently } from '../amqp/publish-patiently.ts'
import type { Publisher } from '../amqp/publisher.ts'
import { REPLAY_EXCHANGE } from '../amqp/topology.ts'
import type { Event } from '../contracts/events.ts'
import type { Database } from '../database/database.ts'
import { createPace } from '../runtime/pace.ts'
import { findSample, type PastEvents, readPastEvents } from './past-events.ts'
import { messageOf } from './publish-event.ts'

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
  /** The row id of the last request of an earlier replay: go on after it. */
  after?: string | undefined
  /** All events of requests up to this row id are sent. */
  onReached?: (rowId: string) => void
  /** Ends the replay after the events that are being sent. */
  signal?: AbortSignal | undefined
}

/**
 * Sends past events again to one target, those of a request in order, each with the id and the body of its first time. What
 * the broker does not confirm is sent again, for half a minute.
 * @throws {NoReplayQueue} when no queue is bound with the target
 * @throws {PublishError} when the broker takes no event for too long
 */
export async function replayEvents(options: ReplayOptions): Promise<void> {
  const { database, events, after, onReached, signal } = options
  const wait = createPace(options.perSecond, signal)
  for await (const { requests, upTo } of readPastEvents(database, events, after)) {
    if (signal?.aborted) return
    const stop = new AbortController()
    const ending = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal])
    const sending = requests.map((ofOne) =>
      sendInOrder(ofOne, options, wait, ending).catch((error: unknown) => stop.abort(error)),
    )
    await Promise.all(sending)
    stop.signal.throwIfAborted()
    if (!ending.aborted) onReached?.(upTo)
  }
}

/**
 * Sends one of the events, to learn whether anybody gets them. Its copy in a replay has the same id.
 * @throws {NoReplayQueue} when no queue is bound with the target
 * @throws {PublishError} when the broker does not confirm it
 */
export async function tryTarget({
  database,
  publisher,
  events,
  target,
}: Pick<ReplayOptions, 'database' | 'publisher' | 'events' | 'target'>): Promise<void> {
  const event = await findSample(database, events)
  if (event === null) return
  await publisher.publish(replayed(event, target)).catch(noReplayQueue(target))
}

async function sendInOrder(
  events: readonly Event[],
  { publisher, target, onSent }: ReplayOptions,
  wait: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (const event of events) {
    await wait().catch(() => undefined)
    if (signal.aborted) return
    await publishPatiently(publisher, replayed(event, target), { signal }).catch(noReplayQueue(target))
    onSent()
  }
}

const replayed = (event: Event, target: string) =>
  messageOf(event, { exchange: REPLAY_EXCHANGE, routingKey: target })

/** Throws the error, under its own name where nobody would get what is sent. */
const noReplayQueue = (target: string) => (error: unknown) => {
  if (!(error instanceof PublishError) || error.kind !== 'returned') throw error
  throw new NoReplayQueue(`no queue is bound to ${REPLAY_EXCHANGE} with the key "${target}"`)
}
