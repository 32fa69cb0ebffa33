import type { ConsumeMessage } from 'amqplib'
import { pino } from 'pino'
import { coerceError } from '../runtime/errors.ts'
import { newUuid } from '../runtime/uuid.ts'
import { parseBrokerUrl } from './broker-address.ts'
import { type Delivery, toDelivery } from './message.ts'
import { createPublisher, type Publisher } from './publisher.ts'
import { openSession, type Session } from './session.ts'

/**
 * One session for a command: it declares nothing of the topology, is not opened again when it is lost, and logs nothing.
 */
export interface Link {
  /** For logs: scheme, host, port and virtual host. */
  readonly display: string
  readonly publisher: Pick<Publisher, 'publish'>
  /** Aborts with the reason when the session is lost. */
  readonly signal: AbortSignal
  /**
   * Tells of each message that comes to a queue of one's own, which is bound with these keys and ends with the session.
   * Resolves when the queue is bound. A message is acknowledged once `onMessage` has returned.
   */
  listen(where: Bound, onMessage: (delivery: Delivery) => void): Promise<void>
  close(): Promise<void>
}

export interface Bound {
  exchange: string
  keys: readonly string[]
}

const TIMEOUT_MS = 15_000
/** Deliveries that wait for a slow terminal. */
const PREFETCH = 500

/** Throws when there is no session to be had; no error holds a credential. */
export async function openLink(url: string, connectionName: string): Promise<Link> {
  const address = parseBrokerUrl(url, { heartbeatSeconds: 10 })
  const session = await openSession(
    {
      address,
      connectionName,
      connectTimeoutMs: TIMEOUT_MS,
      callTimeoutMs: TIMEOUT_MS,
      declareTopology: async () => undefined,
    },
    new AbortController().signal,
  )
  const attached: Promise<void>[] = []
  const publisher = createPublisher({
    broker: {
      join: (member) => {
        attached.push(member.attach(session))
        return () => undefined
      },
    },
    logger: pino({ level: 'silent' }),
  })
  await publisher.start()
  await Promise.all(attached)
  return {
    display: address.display,
    publisher,
    signal: session.signal,
    listen: (where, onMessage) => listen(session, where, onMessage),
    close: async () => {
      await publisher.stop()
      await session.close()
    },
  }
}

async function listen(
  session: Session,
  { exchange, keys }: Bound,
  onMessage: (delivery: Delivery) => void,
): Promise<void> {
  const channel = await session.within('open a channel', () => session.consuming.createChannel())
  let cause: Error | undefined
  let isBound = false
  channel.on('error', (error: Error) => {
    cause = error
  })
  channel.on('close', () => {
    if (isBound) session.fail(cause ?? new Error('the channel was closed'))
  })
  const receive = (message: ConsumeMessage | null) => {
    if (message === null) return session.fail(new Error('the broker has ended the queue'))
    try {
      onMessage(toDelivery(message))
      channel.ack(message)
    } catch (error) {
      session.fail(coerceError(error))
    }
  }
  // By the name that the service's own rights cover.
  const queue = `provision.listener.${newUuid()}`
  await session.within(`listen to ${exchange}`, async () => {
    await channel.assertQueue(queue, { exclusive: true, autoDelete: true, durable: false })
    for (const key of keys) await channel.bindQueue(queue, exchange, key)
    await channel.prefetch(PREFETCH, false)
    await channel.consume(queue, receive)
  })
  isBound = true
}
