import type { ConsumeMessage } from 'amqplib'

/** The properties of an AMQP message, as they stand on the wire. */
export interface MessageProperties {
  contentType?: string | undefined
  contentEncoding?: string | undefined
  headers?: Readonly<Record<string, unknown>> | undefined
  /** 1 transient, 2 persistent. */
  deliveryMode?: number | undefined
  priority?: number | undefined
  correlationId?: string | undefined
  replyTo?: string | undefined
  /** Time to live in milliseconds, as text. */
  expiration?: string | undefined
  messageId?: string | undefined
  /** Seconds since 1970. */
  timestamp?: number | undefined
  type?: string | undefined
  userId?: string | undefined
  appId?: string | undefined
  /** Of messages that came in; it is never sent. */
  clusterId?: string | undefined
}

/** A message in the hands of a consumer. */
export interface Delivery {
  body: Buffer
  contentType: string | undefined
  messageId: string | undefined
  correlationId: string | undefined
  headers: Readonly<Record<string, unknown>>
  properties: MessageProperties
  /** Properties and headers that could not be read as they were sent, by name: `message_id`, `headers.foo`. */
  unreadable: readonly string[]
  exchange: string
  routingKey: string
  /** How often the broker gave this message out before, as far as it counts; 0 on the first delivery. */
  deliveryCount: number
  redelivered: boolean
}

export interface OutgoingMessage {
  /** `''` is the default exchange, which routes to the queue named like the routing key. */
  exchange: string
  routingKey: string
  body: Buffer | string
  /**
   * Persistent unless `deliveryMode` says otherwise. A `userId` is not sent: the broker refuses any but our own; nor
   * is a `clusterId`.
   */
  properties: MessageProperties
  /** Fail with `returned` when no queue takes the message. Default false. */
  mandatory?: boolean
}

export function toDelivery({ content, fields, properties: wire }: ConsumeMessage): Delivery {
  const { unreadable = [], ...properties } = wire as MessageProperties & { unreadable?: string[] }
  const headers = properties.headers ?? {}
  const count = headers['x-delivery-count']
  return {
    body: content,
    contentType: properties.contentType,
    messageId: properties.messageId,
    correlationId: properties.correlationId,
    headers,
    properties,
    unreadable,
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    deliveryCount: fields.redelivered && typeof count === 'number' ? count : 0,
    redelivered: fields.redelivered,
  }
}
