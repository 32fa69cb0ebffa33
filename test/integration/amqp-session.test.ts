import { connect } from 'amqplib'
import { beforeEach, describe, expect, it } from 'vitest'
import { type BrokerOptions, createBroker } from '../../src/amqp/connection.ts'
import { createConsumer } from '../../src/amqp/consumer.ts'
import {
  DEAD_LETTER_EXCHANGE,
  DEAD_LETTER_QUEUE,
  EVENT_EXCHANGE,
  REQUEST_EXCHANGE,
  REQUEST_QUEUE,
  REQUEST_ROUTING_KEY,
} from '../../src/amqp/topology.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { SHORT_BACKOFF, useAmqpWorld } from './amqp-world.ts'

const world = useAmqpWorld()
let proxy: TcpProxy

beforeEach(async () => {
  const { hostname, port } = new URL(world.url())
  proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } })
  world.stopAfterwards(() => proxy.close())
})

const brokerOf = (more: Partial<BrokerOptions> = {}) =>
  createBroker({ url: proxy.through(world.url()), logger: world.logger, backoffMs: SHORT_BACKOFF, ...more })

type TestedBroker = ReturnType<typeof createBroker>
const up = (broker: TestedBroker) => eventually(() => expect(broker.health()).toEqual({ ok: true }))
const down = (broker: TestedBroker, reason: string | RegExp) =>
  eventually(() => expect(broker.health()).toEqual({ ok: false, reason: expect.stringMatching(reason) }))

describe('a session with the broker', () => {
  it('declares queues, exchanges and bindings', async () => {
    await up(await world.run(brokerOf()))
    const channel = world.channel()
    for (const exchange of [REQUEST_EXCHANGE, DEAD_LETTER_EXCHANGE, EVENT_EXCHANGE]) {
      await channel.checkExchange(exchange)
    }
    channel.publish(REQUEST_EXCHANGE, REQUEST_ROUTING_KEY, Buffer.from('a request'))
    channel.publish(DEAD_LETTER_EXCHANGE, 'any key', Buffer.from('a dead letter'))
    await eventually(async () => expect(await world.depth(REQUEST_QUEUE)).toBe(1))
    await eventually(async () => expect(await world.depth(DEAD_LETTER_QUEUE)).toBe(1))
  })

  it('comes back after its connections are cut, and declares what is gone', async () => {
    const broker = await world.run(brokerOf())
    await up(broker)
    await world.channel().deleteQueue(REQUEST_QUEUE)
    proxy.refuse()
    proxy.cut()
    await down(broker, 'no session with the broker')
    proxy.pass()
    await up(broker)
    expect(await world.depth()).toBe(0)
    expect(proxy.connections()).toBe(2)
  })

  it('waits for a broker that is not there yet', async () => {
    proxy.refuse()
    const broker = await world.run(brokerOf())
    await down(broker, /ECONNRESET|ECONNREFUSED|closed abruptly|socket hang up/)
    proxy.pass()
    await up(broker)
  })

  it('gives up on a peer that accepts the connection and says nothing', async () => {
    proxy.ignore()
    const broker = await world.run(brokerOf({ connectTimeoutMs: 1000 }))
    await down(broker, 'no answer within 1000 ms')
    proxy.pass()
    proxy.cut()
    await up(broker)
  })

  it.each(['up', 'down'] as const)('notices by heartbeats that nothing moves %s', async (direction) => {
    const broker = await world.run(brokerOf({ heartbeatSeconds: 1 }))
    await up(broker)
    proxy.freeze(direction)
    await down(broker, 'no session with the broker')
    proxy.pass()
    await up(broker)
  })

  it('comes back when the connection breaks at any byte of its set-up', async () => {
    const broker = await world.run(brokerOf({ callTimeoutMs: 1000 }))
    await up(broker)
    const setUpBytes = proxy.forwarded('down')
    for (let bytes = 1; bytes < setUpBytes; bytes += 97) {
      proxy.refuse()
      proxy.cut()
      await down(broker, 'no session with the broker')
      proxy.pass()
      proxy.dropAfter(bytes, 'down')
      await eventually(() => expect(proxy.forwarded('down')).toBeGreaterThan(0))
      await up(broker)
    }
  })

  it('is logged once when it is lost, however many tries fail', async () => {
    const broker = await world.run(brokerOf({ backoffMs: { minMs: 1, maxMs: 2 } }))
    await up(broker)
    proxy.refuse()
    proxy.cut()
    await down(broker, 'no session with the broker')
    const before = proxy.refused()
    await eventually(() => expect(proxy.refused()).toBeGreaterThan(before + 50))
    const warnings = world.lines.filter((line) => JSON.parse(line).level >= 40)
    expect(warnings).toHaveLength(1)
  })

  it('never shows its credentials', async () => {
    const url = new URL(proxy.through(world.url()))
    url.username = 'provisioner'
    url.password = 'hunter2'
    const broker = await world.run(brokerOf({ url: url.href }))
    await down(broker, 'ACCESS_REFUSED|403')
    expect(JSON.stringify([world.lines, broker.health()])).not.toContain('hunter2')
  })

  it('says when the virtual host does not exist', async () => {
    const url = new URL(proxy.through(world.url()))
    url.pathname = '/nowhere'
    const broker = await world.run(brokerOf({ url: url.href }))
    await down(broker, 'virtual host')
  })

  it('stops while it connects, before it starts, and twice', async () => {
    proxy.ignore()
    const connecting = brokerOf()
    await connecting.start()
    await Promise.all([connecting.stop(), connecting.stop()])
    expect(connecting.health()).toEqual({ ok: false, reason: expect.stringContaining('stopped') })
    await eventually(() => expect(proxy.connections()).toBe(0))

    const early = brokerOf()
    await early.stop()
    await early.start()
    expect(proxy.connections()).toBe(0)
  })

  it('closes its connections in good order when it stops', async () => {
    const broker = await world.run(brokerOf())
    await up(broker)
    await broker.stop()
    await eventually(() => expect(proxy.connections()).toBe(0))
    expect(world.lines.filter((line) => JSON.parse(line).level >= 40)).toEqual([])
  })

  it('stops although the broker has fallen silent', async () => {
    const broker = await world.run(brokerOf({ callTimeoutMs: 100 }))
    await up(broker)
    proxy.freeze()
    await broker.stop()
  })
})

describe('a topology that is taken', () => {
  it.each([
    ['a classic queue', {}, "inequivalent arg 'x-queue-type'"],
    [
      'a classic queue with arguments of its own',
      { 'x-max-length': 10, 'x-dead-letter-exchange': 'elsewhere', 'x-single-active-consumer': true },
      "inequivalent arg 'x-queue-type'",
    ],
    [
      'a stream',
      { 'x-queue-type': 'stream', 'x-max-length-bytes': 1_000_000 },
      "inequivalent arg 'x-queue-type'",
    ],
  ])('by %s makes the service unready, says why, and heals', async (_, args, words) => {
    await world.channel().assertQueue(REQUEST_QUEUE, { durable: true, arguments: args })
    const broker = await world.run(brokerOf())
    await down(broker, new RegExp(`queue ${REQUEST_QUEUE} exists with other properties.*${words}`))
    expect(world.lines.join()).toContain(`queue ${REQUEST_QUEUE} exists with other properties`)
    await world.channel().deleteQueue(REQUEST_QUEUE)
    await up(broker)
  })

  it('by an exchange of another type is said as well', async () => {
    await world.channel().assertExchange(EVENT_EXCHANGE, 'direct')
    await down(await world.run(brokerOf()), `exchange ${EVENT_EXCHANGE} exists with other properties`)
  })

  it.each([
    ['the same', {}],
    ['a limit of its own', { 'x-delivery-limit': 5 }],
    ['a dead-letter exchange', { 'x-dead-letter-exchange': 'elsewhere' }],
    [
      'arguments of every kind',
      {
        'x-dead-letter-exchange': '',
        'x-max-length': 100_000,
        'x-single-active-consumer': true,
        'x-overflow': 'reject-publish',
      },
    ],
  ])('by a quorum queue with %s is accepted', async (_, args) => {
    await world
      .channel()
      .assertQueue(REQUEST_QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum', ...args } })
    await up(await world.run(brokerOf()))
  })

  it('does not keep others from declaring the queues by the contract', async () => {
    await up(await world.run(brokerOf()))
    for (const queue of [REQUEST_QUEUE, DEAD_LETTER_QUEUE]) {
      await world.channel().assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    }
  })

  it('is told in the middle of an outage of another kind', async () => {
    const broker = await world.run(brokerOf())
    await up(broker)
    proxy.refuse()
    proxy.cut()
    await down(broker, /ECONNRESET|ECONNREFUSED|closed abruptly|hang up/)
    await world.channel().deleteQueue(REQUEST_QUEUE)
    await world.channel().assertQueue(REQUEST_QUEUE, { durable: true })
    proxy.pass()
    await eventually(() => expect(world.lines.join()).toContain('exists with other properties'))
  })
})

describe('the two connections', () => {
  it('end together: a consumer whose connection lives is rebuilt with the other', async () => {
    const broker = await world.run(brokerOf())
    await up(broker)
    const seen: string[] = []
    await world.run(
      createConsumer({
        broker,
        queue: REQUEST_QUEUE,
        prefetch: 10,
        logger: world.logger,
        handle: async ({ body }) => {
          seen.push(body.toString())
          return 'ack'
        },
      }),
    )
    const other = await connect(world.url())
    await other.close()
    proxy.cut()
    await world.fill(3)
    await eventually(() => expect(seen.toSorted()).toEqual(['0', '1', '2']))
  })
})
