import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import type { ObservedEvent } from './evidence.ts'

const EXCHANGE = 'provision.events'
const QUEUE = 'checker.events'
const PREFETCH = 500
const RECONNECT_MS = 300

/** A consumer of all events, of its own kind and on its own connection. */
export interface EventObserver {
  /** Every copy so far, in order of arrival. */
  readonly events: readonly ObservedEvent[]
  /** Distinct events by kind, such as request.accepted. */
  counts(): Record<string, number>
  stop(): Promise<void>
}

interface Session {
  connection: ChannelModel
  closed: Promise<void>
}

/**
 * Binds a durable queue before anything can be published, so that nothing is missed while this consumer, or the
 * broker, is unreachable; connects again for as long as it runs.
 */
export async function observeEvents(url: string): Promise<EventObserver> {
  const events: ObservedEvent[] = []
  const seen = new Map<string, Set<string>>()
  let current: Session
  let stopped = false

  const receive = (message: ConsumeMessage) => {
    const event = describe(message)
    events.push(event)
    const kind = event.routingKey.split('.', 2).join('.')
    const ids = seen.get(kind) ?? new Set()
    seen.set(kind, ids.add(event.messageId ?? ''))
  }
  const open = async (): Promise<Session> => {
    const opened = await connect(withHeartbeat(url), { timeout: 5000 })
    const closed = new Promise<void>((resolve) => opened.on('close', () => resolve()))
    const close = () => void opened.close().catch(() => undefined)
    opened.on('error', () => undefined)
    try {
      const channel = await opened.createChannel()
      channel.on('error', () => undefined)
      channel.on('close', close)
      await channel.assertExchange(EXCHANGE, 'topic', { durable: true })
      await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
      await channel.bindQueue(QUEUE, EXCHANGE, '#')
      await channel.prefetch(PREFETCH)
      await channel.consume(QUEUE, (message) => {
        // Cancelled by the broker: connecting again consumes again.
        if (message === null) return close()
        receive(message)
        channel.ack(message)
      })
      return { connection: opened, closed }
    } catch (error) {
      close()
      throw error
    }
  }
  const keepOpen = async () => {
    while (!stopped) {
      await current.closed
      while (!stopped) {
        const next = await open().catch(() => undefined)
        if (next !== undefined) {
          current = next
          break
        }
        await delay(RECONNECT_MS)
      }
    }
  }

  current = await open()
  const running = keepOpen()
  return {
    events,
    counts: () => Object.fromEntries([...seen].map(([kind, ids]) => [kind, ids.size])),
    stop: async () => {
      stopped = true
      await Promise.race([current.connection.close().catch(() => undefined), delay(2000)])
      await Promise.race([running, delay(2000)])
    },
  }
}

function describe({ fields, properties, content }: ConsumeMessage): ObservedEvent {
  return {
    routingKey: fields.routingKey,
    messageId: properties.messageId,
    type: properties.type,
    contentType: properties.contentType,
    correlationId: properties.correlationId,
    persistent: properties.deliveryMode === 2,
    body: content.toString('utf8'),
  }
}

function withHeartbeat(url: string): string {
  const changed = new URL(url)
  changed.searchParams.set('heartbeat', '5')
  return changed.href
}
