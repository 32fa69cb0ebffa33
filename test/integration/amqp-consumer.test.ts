import type { Channel, ConsumeMessage } from 'amqplib'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Broker, createBroker } from '../../src/amqp/connection.ts'
import { type ConsumerOptions, createConsumer } from '../../src/amqp/consumer.ts'
import { REQUEST_QUEUE } from '../../src/amqp/topology.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { createHandler, SHORT_BACKOFF, useAmqpWorld } from './amqp-world.ts'

const world = useAmqpWorld()
let proxy: TcpProxy
let broker: Broker

beforeEach(async () => {
  const { hostname, port } = new URL(world.url())
  proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } })
  world.stopAfterwards(() => proxy.close())
  broker = createBroker({ url: proxy.through(world.url()), logger: world.logger, backoffMs: SHORT_BACKOFF })
  await world.run(broker)
  await ready()
})

const ready = () => eventually(() => expect(broker.health()).toEqual({ ok: true }))

const consumerOf = (handle: ConsumerOptions['handle'], prefetch = 100) =>
  createConsumer({ broker, queue: REQUEST_QUEUE, prefetch, handle, logger: world.logger })

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index))
const byNumber = (bodies: string[]) => bodies.toSorted((a, b) => Number(a) - Number(b))

/** Ends the session of the broker, and waits for the next. */
async function loseSession(): Promise<void> {
  proxy.refuse()
  proxy.cut()
  await eventually(() => expect(broker.health().ok).toBe(false))
  proxy.pass()
  await ready()
}

/** Ends every hold of the consumer on its deliveries, so that the broker shows what is left. */
async function leftAfterStop(consumer: { stop(): Promise<void> }): Promise<string[]> {
  await consumer.stop()
  await loseSession()
  return world.drain()
}

describe('a consumer', () => {
  it('acknowledges or requeues as its handler says', async () => {
    await world.fill(20)
    const requeued = new Set<string>()
    const done: string[] = []
    const consumer = await world.run(
      consumerOf(async ({ body, redelivered, deliveryCount }) => {
        const text = body.toString()
        if (Number(text) % 2 === 1 && !requeued.has(text)) {
          requeued.add(text)
          return 'requeue'
        }
        expect({ redelivered, deliveryCount }).toEqual(
          requeued.has(text)
            ? { redelivered: true, deliveryCount: 1 }
            : { redelivered: false, deliveryCount: 0 },
        )
        done.push(text)
        return 'ack'
      }),
    )
    await eventually(() => expect(byNumber(done)).toEqual(numbers(20)))
    expect(await leftAfterStop(consumer)).toEqual([])
  })

  it('holds no more bytes than it may, and goes on when it has let go of some', async () => {
    const channel = await world.connection().createConfirmChannel()
    for (const text of numbers(40)) channel.sendToQueue(REQUEST_QUEUE, Buffer.alloc(1_000_000, text))
    await channel.waitForConfirms()
    const handler = createHandler()
    const consumer = await world.run(
      createConsumer({
        ...{ broker, queue: REQUEST_QUEUE, prefetch: 100, maxBytes: 10_000_000 },
        ...{ handle: handler.handle, logger: world.logger },
      }),
    )
    let settled = 0
    while (settled < 40) {
      await eventually(() => expect(handler.held.length).toBeGreaterThan(0))
      expect(consumer.inHand()).toBeLessThanOrEqual(11)
      for (const { settle } of handler.held.splice(0)) {
        settle('ack')
        settled += 1
      }
    }
    expect(await leftAfterStop(consumer)).toEqual([])
  })

  it('pauses and stops with more bytes in hand than it may hold', async () => {
    const channel = await world.connection().createConfirmChannel()
    for (const text of numbers(20)) channel.sendToQueue(REQUEST_QUEUE, Buffer.alloc(1_000_000, text))
    await channel.waitForConfirms()
    const handler = createHandler()
    const consumer = await world.run(
      createConsumer({
        ...{ broker, queue: REQUEST_QUEUE, prefetch: 100, maxBytes: 3_000_000 },
        ...{ handle: handler.handle, logger: world.logger },
      }),
    )
    await eventually(() => expect(handler.held).toHaveLength(4))
    await consumer.pause()
    const stopped = consumer.stop()
    await eventually(() => {
      for (const { settle } of handler.held.splice(0)) settle('requeue')
      expect(consumer.inHand()).toBe(0)
    })
    await stopped
    await loseSession()
    await eventually(async () => expect(await world.depth()).toBe(20))
  })

  it('holds no more than its prefetch', async () => {
    await world.fill(50)
    const handler = createHandler()
    const consumer = await world.run(consumerOf(handler.handle, 10))
    await eventually(() => expect(handler.held).toHaveLength(10))
    for (const { settle } of handler.held.splice(0)) settle('ack')
    await eventually(() => expect(handler.held).toHaveLength(10))
    expect(consumer.inHand()).toBe(10)
    for (const { settle } of handler.held) settle('ack')
  })

  it('gets everything again after the session was lost, and its old dispositions change nothing', async () => {
    await world.fill(10)
    const handler = createHandler()
    const consumer = await world.run(consumerOf(handler.handle))
    await eventually(() => expect(handler.held).toHaveLength(10))
    const stale = handler.held.splice(0)
    proxy.cut()
    await eventually(() => expect(handler.held).toHaveLength(10))
    expect(byNumber(handler.bodies())).toEqual(numbers(10))
    expect(handler.held.every(({ delivery }) => delivery.redelivered)).toBe(true)
    // The tags are 1 to 10 on the new channel as well: a disposition on the wrong channel would settle these.
    for (const { settle } of stale) settle('ack')
    await eventually(() => expect(consumer.inHand()).toBe(10))
    for (const { settle } of handler.held.splice(0, 5)) settle('ack')
    await eventually(() => expect(consumer.inHand()).toBe(5))
    for (const { settle } of handler.held.splice(0)) settle('requeue')
    await eventually(() => expect(handler.held).toHaveLength(5))
    for (const { settle } of handler.held.splice(0)) settle('ack')
    expect(await leftAfterStop(consumer)).toEqual([])
    expect(world.lines.join()).not.toContain('PRECONDITION_FAILED')
  })

  it('comes back after its queue was deleted', async () => {
    const handler = createHandler()
    await world.run(consumerOf(handler.handle))
    await eventually(async () =>
      expect((await world.channel().checkQueue(REQUEST_QUEUE)).consumerCount).toBe(1),
    )
    await world.channel().deleteQueue(REQUEST_QUEUE)
    await eventually(async () => {
      const [warning] = world.lines.filter((line) => line.includes('cancelled'))
      expect(warning).toBeDefined()
    })
    await ready()
    await world.fill(1)
    await eventually(() => expect(handler.bodies()).toEqual(['0']))
    for (const { settle } of handler.held) settle('ack')
  })

  it('comes back after the broker closed its channel', async () => {
    await world.fill(2)
    const handler = createHandler()
    let opened: Channel | undefined
    const messages: ConsumeMessage[] = []
    const consumer = createConsumer({
      // The way in: the channel that the consumer opens, on which a message is then acknowledged again.
      broker: {
        join: (member) =>
          broker.join({
            attach: (session) => {
              const createChannel = session.consuming.createChannel.bind(session.consuming)
              session.consuming.createChannel = async () => {
                const channel = await createChannel()
                opened ??= channel.on('delivery', (message) => messages.push(message))
                return channel
              }
              return member.attach(session)
            },
          }),
      },
      queue: REQUEST_QUEUE,
      prefetch: 100,
      handle: handler.handle,
      logger: world.logger,
    })
    await world.run(consumer)
    await eventually(() => expect(handler.held).toHaveLength(2))
    for (const { settle } of handler.held.splice(0)) settle('ack')
    await eventually(async () => expect(consumer.inHand()).toBe(0))
    for (const message of messages) opened?.ack(message)
    await eventually(() => expect(world.lines.join()).toContain('PRECONDITION_FAILED'))
    await ready()
    await world.fill(1)
    await eventually(() => expect(handler.bodies()).toEqual(['0']))
    for (const { settle } of handler.held) settle('ack')
  })

  it('gives a message back when the handler throws, and says so', async () => {
    await world.fill(1)
    let calls = 0
    const consumer = await world.run(
      consumerOf(() => {
        calls += 1
        if (calls === 1) throw new Error('thrown at once')
        if (calls === 2) return Promise.reject(new Error('thrown later'))
        return Promise.resolve('ack')
      }),
    )
    await eventually(() => expect(calls).toBe(3))
    expect(world.lines.filter((line) => line.includes('the handler threw'))).toHaveLength(1)
    expect(await leftAfterStop(consumer)).toEqual([])
  })

  it('pauses and resumes, also across a lost session, and keeps what is in hand', async () => {
    await world.fill(5)
    const handler = createHandler()
    const consumer = await world.run(consumerOf(handler.handle))
    await eventually(() => expect(handler.held).toHaveLength(5))
    await consumer.pause()
    await world.fill(5)
    expect(await world.depth()).toBe(5)
    for (const { settle } of handler.held.splice(0)) settle('ack')
    await eventually(() => expect(consumer.inHand()).toBe(0))

    await loseSession()
    expect(await world.depth()).toBe(5)
    expect((await world.channel().checkQueue(REQUEST_QUEUE)).consumerCount).toBe(0)

    consumer.resume()
    await eventually(() => expect(handler.held).toHaveLength(5))
    for (const { settle } of handler.held) settle('ack')
    expect(await leftAfterStop(consumer)).toEqual([])
  })

  it('ends in the state last asked for, whatever came before', async () => {
    const handler = createHandler()
    const consumer = await world.run(consumerOf(handler.handle))
    for (let round = 0; round < 20; round += 1) {
      void consumer.pause()
      consumer.resume()
    }
    await world.fill(1)
    await eventually(() => expect(handler.bodies()).toEqual(['0']))
    consumer.resume()
    await consumer.pause()
    await world.fill(1)
    expect(await world.depth()).toBe(1)
    for (const { settle } of handler.held) settle('ack')
  })

  it('holds at most twice its prefetch however often it pauses or reconnects', async () => {
    await world.fill(60)
    const handler = createHandler()
    const consumer = await world.run(consumerOf(handler.handle, 10))
    await eventually(() => expect(handler.held).toHaveLength(10))
    await consumer.pause()
    consumer.resume()
    await eventually(() => expect(handler.held).toHaveLength(20))
    await consumer.pause()
    consumer.resume()
    await loseSession()
    expect(consumer.inHand()).toBe(20)
    for (const { settle } of handler.held.splice(0, 10)) settle('ack')
    await eventually(() => expect(handler.held).toHaveLength(20))
    expect(consumer.inHand()).toBe(20)
    for (const { settle } of handler.held) settle('ack')
  })

  it('stops under load without losing a message or leaving one unacknowledged', async () => {
    const count = 3000
    const untilStop = 600
    await world.fill(count)
    const done: string[] = []
    const { promise: stopping, resolve: stop } = Promise.withResolvers<void>()
    const consumer = await world.run(
      consumerOf(async ({ body }) => {
        if (done.length >= untilStop) await stopping
        done.push(body.toString())
        return 'ack'
      }, 200),
    )
    await eventually(() => expect(done.length).toBeGreaterThanOrEqual(untilStop))
    const stopped = consumer.stop()
    stop()
    await stopped
    expect(consumer.inHand()).toBe(0)
    // The session lives on, so whatever had stayed unacknowledged would be missing here. What the broker had on the
    // way to the channel when it was closed comes back a moment later.
    await eventually(async () => expect(await world.depth()).toBe(count - done.length))
    const left = await world.drain()
    expect(left.length).toBeGreaterThan(0)
    expect(byNumber([...done, ...left])).toEqual(numbers(count))
  })

  it('waits for its handlers when it stops', async () => {
    await world.fill(1)
    const handler = createHandler()
    const consumer = await world.run(consumerOf(handler.handle))
    await eventually(() => expect(handler.held).toHaveLength(1))
    let stopped = false
    const stopping = consumer.stop().then(() => {
      stopped = true
    })
    await world.fill(1)
    expect(stopped).toBe(false)
    handler.held[0]?.settle('ack')
    await stopping
    expect(handler.held).toHaveLength(1)
    expect(await world.drain()).toEqual(['0'])
  })

  it('stops before it starts, while the session is unreachable, and twice', async () => {
    const early = consumerOf(async () => 'ack')
    await early.stop()
    await early.start()
    proxy.refuse()
    proxy.cut()
    await eventually(() => expect(broker.health().ok).toBe(false))
    const consumer = consumerOf(async () => 'ack')
    await consumer.start()
    await Promise.all([consumer.stop(), consumer.stop()])
    proxy.pass()
    await ready()
    expect((await world.channel().checkQueue(REQUEST_QUEUE)).consumerCount).toBe(0)
  })
})
