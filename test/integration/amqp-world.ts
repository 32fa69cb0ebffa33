import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Delivery, OutgoingMessage } from '../../src/amqp/message.ts'
import {
  DEAD_LETTER_EXCHANGE,
  DEAD_LETTER_QUEUE,
  EVENT_EXCHANGE,
  REQUEST_EXCHANGE,
  REQUEST_QUEUE,
} from '../../src/amqp/topology.ts'
import type { Service } from '../../src/runtime/service.ts'
import { createTestBroker } from '../support/broker.ts'

export const SHORT_BACKOFF = { minMs: 10, maxMs: 100 }

/** A virtual host for the file, emptied after each case, with a plain connection beside the code under test. */
export function useAmqpWorld() {
  let host: Awaited<ReturnType<typeof createTestBroker>>
  let connection: ChannelModel
  let channel: Channel
  const running: { stop(): Promise<unknown> }[] = []
  const lines: string[] = []

  beforeAll(async () => {
    host = await createTestBroker()
    connection = await connect(host.url)
    channel = await connection.createChannel()
    await clear(channel)
  })

  afterEach(async () => {
    for (const each of running.splice(0).reverse()) await each.stop()
    await clear(channel)
    lines.length = 0
  })

  afterAll(async () => {
    await connection.close()
    await host.drop()
  })

  return {
    url: () => host.url,
    channel: () => channel,
    connection: () => connection,
    /** Log lines as text. */
    lines,
    logger: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    /** Started now, stopped after the case, last one first. */
    async run<S extends Service>(service: S): Promise<S> {
      await service.start()
      running.push(service)
      return service
    },
    stopAfterwards(stop: () => Promise<unknown>) {
      running.push({ stop })
    },
    /** Puts n numbered messages into the request queue. */
    async fill(count: number): Promise<void> {
      const confirmed = await connection.createConfirmChannel()
      for (let index = 0; index < count; index += 1) {
        confirmed.sendToQueue(REQUEST_QUEUE, Buffer.from(String(index)), { persistent: true })
      }
      await confirmed.waitForConfirms()
      await confirmed.close()
    },
    async depth(queue: string = REQUEST_QUEUE): Promise<number> {
      return (await channel.checkQueue(queue)).messageCount
    },
    /** Everything that is in the queue and not in anybody's hands. */
    async drain(queue: string = REQUEST_QUEUE): Promise<string[]> {
      const { messageCount } = await channel.checkQueue(queue)
      const bodies: string[] = []
      if (messageCount === 0) return bodies
      await new Promise<void>((resolve, reject) => {
        const receive = (message: ConsumeMessage | null) => {
          if (bodies.push(String(message?.content)) === messageCount) resolve()
        }
        channel.consume(queue, receive, { noAck: true, consumerTag: 'drain' }).catch(reject)
      })
      await channel.cancel('drain')
      return bodies
    },
  }
}

async function clear(channel: Channel): Promise<void> {
  for (const queue of [REQUEST_QUEUE, DEAD_LETTER_QUEUE]) await channel.deleteQueue(queue)
  for (const exchange of [REQUEST_EXCHANGE, DEAD_LETTER_EXCHANGE, EVENT_EXCHANGE]) {
    await channel.deleteExchange(exchange)
  }
}

/** A handler whose deliveries stay in hand until the test gives each its disposition. */
export function createHandler() {
  const held: { delivery: Delivery; settle: (disposition: 'ack' | 'requeue') => void }[] = []
  return {
    held,
    bodies: () => held.map(({ delivery }) => delivery.body.toString()),
    handle: (delivery: Delivery) =>
      new Promise<'ack' | 'requeue'>((settle) => {
        held.push({ delivery, settle })
      }),
  }
}

export function requestMessage(body: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: '',
    routingKey: REQUEST_QUEUE,
    body,
    properties: { contentType: 'application/json', messageId: body },
    ...more,
  }
}
