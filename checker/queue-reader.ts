import { type Channel, type ConsumeMessage, connect } from 'amqplib'
import type { DeadLetter } from './evidence.ts'

const REQUEST_QUEUE = 'provision.requests'
const DEAD_QUEUE = 'provision.requests.dead'
const SILENCE_MS = 10_000

/** Looks at the service's queues and leaves them as they are. */
export interface QueueReader {
  depths(): Promise<{ requests: number; dead: number }>
  close(): Promise<void>
}

export async function createQueueReader(url: string): Promise<QueueReader> {
  const connection = await connect(url, { timeout: 5000 })
  connection.on('error', () => undefined)
  const channel = await connection.createChannel()
  channel.on('error', () => undefined)
  return {
    depths: async () => {
      const requests = await channel.checkQueue(REQUEST_QUEUE)
      const dead = await channel.checkQueue(DEAD_QUEUE)
      return { requests: requests.messageCount, dead: dead.messageCount }
    },
    close: () => connection.close().catch(() => undefined),
  }
}

/** Everything on the dead-letter queue. The messages go back on it: the channel closes without an acknowledgement. */
export async function readDeadLetters(url: string): Promise<DeadLetter[]> {
  const connection = await connect(url, { timeout: 5000 })
  connection.on('error', () => undefined)
  try {
    const channel = await connection.createChannel()
    const { messageCount } = await channel.checkQueue(DEAD_QUEUE)
    return messageCount === 0 ? [] : await readMessages(channel, messageCount)
  } finally {
    await connection.close().catch(() => undefined)
  }
}

function readMessages(channel: Channel, count: number): Promise<DeadLetter[]> {
  return new Promise((resolve, reject) => {
    const letters: DeadLetter[] = []
    const silence = setTimeout(() => {
      reject(new Error(`${letters.length} of ${count} dead letters could be read`))
    }, SILENCE_MS)
    const receive = (message: ConsumeMessage | null) => {
      if (message === null || letters.length === count) return
      letters.push(describe(message))
      silence.refresh()
      if (letters.length < count) return
      clearTimeout(silence)
      resolve(letters)
    }
    channel.consume(DEAD_QUEUE, receive).catch((error: unknown) => {
      clearTimeout(silence)
      reject(error)
    })
  })
}

function describe({ content, properties }: ConsumeMessage): DeadLetter {
  return {
    body: content,
    contentType: properties.contentType,
    messageId: properties.messageId,
    correlationId: properties.correlationId,
    headers: properties.headers ?? {},
  }
}
