import { type ConfirmChannel, connect } from 'amqplib'
import type { PublishedMessage } from './checker/evidence.ts'
import { NUMBER_HEADER } from './checker/lost.ts'

const QUEUE = 'provision.requests'
const EXCHANGE = 'provision'
const ROUTING_KEY = 'provision.request'

/** Publishes request messages as any producer would, and keeps account of what the broker confirmed. */
export interface MessagePublisher {
  /** Every message handed to the broker, in order. */
  readonly published: readonly PublishedMessage[]
  /** Resolves once the broker has confirmed, or the connection is lost: then it stays unconfirmed. */
  publish(message: Omit<PublishedMessage, 'number' | 'confirmed'>): Promise<void>
  close(): Promise<void>
}

/** `route`: to the queue by the default exchange, or by the exchange `provision`; both reach the same queue. */
export async function createMessagePublisher({
  url,
  routeOf = (number) => (number % 3 === 0 ? 'exchange' : 'queue'),
}: {
  url: string
  routeOf?: (number: number) => 'queue' | 'exchange'
}): Promise<MessagePublisher> {
  const published: PublishedMessage[] = []
  const connection = await connect(url, { timeout: 5000 })
  connection.on('error', () => undefined)
  const channel = await connection.createConfirmChannel()
  channel.on('error', () => undefined)
  return {
    published,
    publish: async (draft) => {
      const message: PublishedMessage = { ...draft, number: published.length + 1, confirmed: false }
      published.push(message)
      await send(channel, message, routeOf(message.number))
    },
    close: async () => {
      await connection.close().catch(() => undefined)
    },
  }
}

function send(
  channel: ConfirmChannel,
  message: PublishedMessage,
  route: 'queue' | 'exchange',
): Promise<void> {
  const { body, contentType, messageId, correlationId, traceparent, number } = message
  const headers = { [NUMBER_HEADER]: number, ...(traceparent === undefined ? {} : { traceparent }) }
  return new Promise((resolve) => {
    channel.publish(
      route === 'queue' ? '' : EXCHANGE,
      route === 'queue' ? QUEUE : ROUTING_KEY,
      body,
      {
        persistent: true,
        headers,
        ...(contentType === undefined ? {} : { contentType }),
        ...(messageId === undefined ? {} : { messageId }),
        ...(correlationId === undefined ? {} : { correlationId }),
      },
      (error) => {
        message.confirmed = error === null || error === undefined
        resolve()
      },
    )
  })
}
