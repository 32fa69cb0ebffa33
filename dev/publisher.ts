import { setTimeout as delay } from 'node:timers/promises'
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib'
import type { PublishedMessage } from '../checker/evidence.ts'
import { NUMBER_HEADER } from '../checker/lost.ts'

const QUEUE = 'provision.requests'
const EXCHANGE = 'provision'
const ROUTING_KEY = 'provision.request'
/** A broker that neither confirms nor goes away within this is asked again on a new connection. */
const CONFIRM_TIMEOUT_MS = 15_000
const RECONNECT_MS = 300

/** Publishes request messages as any careful producer would: again, on a new connection, until they are confirmed. */
export interface MessagePublisher {
  /** Every message handed over so far, in order. */
  readonly published: readonly PublishedMessage[]
  /** Resolves once the broker has confirmed the message, perhaps after several sendings; or when closed before. */
  publish(message: Omit<PublishedMessage, 'number' | 'confirmed'>): Promise<void>
  close(): Promise<void>
}

interface Session {
  connection: ChannelModel
  channel: ConfirmChannel
}

export function createMessagePublisher({ url }: { url: string }): MessagePublisher {
  const published: PublishedMessage[] = []
  let session: Promise<Session> | undefined
  let closed = false

  const open = async (): Promise<Session> => {
    for (;;) {
      try {
        const connection = await connect(url, { timeout: 5000 })
        connection.on('error', () => undefined)
        connection.on('close', forget)
        const channel = await connection.createConfirmChannel()
        channel.on('error', () => undefined)
        channel.on('close', forget)
        return { connection, channel }
      } catch (error) {
        if (closed) throw error
        await delay(RECONNECT_MS)
      }
    }
  }
  const forget = () => {
    session = undefined
  }

  return {
    published,
    publish: async (draft) => {
      const message: PublishedMessage = { ...draft, number: published.length + 1, confirmed: false }
      published.push(message)
      while (!message.confirmed && !closed) {
        session ??= open()
        const current = await session.catch(() => undefined)
        if (current === undefined) return
        message.confirmed = await send(current.channel, message)
        if (message.confirmed) return
        forget()
        current.connection.close().catch(() => undefined)
        await delay(RECONNECT_MS)
      }
    },
    close: async () => {
      closed = true
      const current = await session?.catch(() => undefined)
      await Promise.race([current?.connection.close().catch(() => undefined), delay(2000)])
    },
  }
}

/** Whether the broker confirmed it. Every third message takes the way of the exchange; both ways lead to one queue. */
function send(channel: ConfirmChannel, message: PublishedMessage): Promise<boolean> {
  const { body, contentType, messageId, correlationId, traceparent, number } = message
  const [exchange, routingKey] = number % 3 === 0 ? [EXCHANGE, ROUTING_KEY] : ['', QUEUE]
  const properties = {
    persistent: true,
    headers: { [NUMBER_HEADER]: number, ...(traceparent === undefined ? {} : { traceparent }) },
    ...(contentType === undefined ? {} : { contentType }),
    ...(messageId === undefined ? {} : { messageId }),
    ...(correlationId === undefined ? {} : { correlationId }),
  }
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), CONFIRM_TIMEOUT_MS)
    const settle = (confirmed: boolean) => {
      clearTimeout(timer)
      resolve(confirmed)
    }
    try {
      channel.publish(exchange, routingKey, body, properties, (error) => settle(!error))
    } catch {
      // The channel was closed a moment ago.
      settle(false)
    }
  })
}
