import { beforeEach, describe, expect, it } from 'vitest'
import { type Broker, createBroker } from '../../src/amqp/connection.ts'
import { createPublisher, type PublisherOptions } from '../../src/amqp/publisher.ts'
import {
  EVENT_EXCHANGE,
  REQUEST_EXCHANGE,
  REQUEST_QUEUE,
  REQUEST_ROUTING_KEY,
} from '../../src/amqp/topology.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { requestMessage, SHORT_BACKOFF, useAmqpWorld } from './amqp-world.ts'

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

const publisherOf = async (more: Partial<PublisherOptions> = {}) => {
  const publisher = await world.run(createPublisher({ broker, logger: world.logger, ...more }))
  await eventually(async () => publisher.publish({ ...requestMessage('probe'), exchange: EVENT_EXCHANGE }))
  return publisher
}

const kindOf = (published: Promise<void>) =>
  published.then(
    () => 'confirmed',
    (error: { kind: string }) => error.kind,
  )

describe('a publisher', () => {
  it('delivers what it confirms, byte for byte, persistent, with its properties', async () => {
    const publisher = await publisherOf()
    await publisher.publish({
      exchange: REQUEST_EXCHANGE,
      routingKey: REQUEST_ROUTING_KEY,
      body: Buffer.from([0, 255, 1]),
      properties: {
        contentType: 'application/json',
        messageId: 'm-1',
        correlationId: 'c-1',
        type: 't',
        timestamp: 1_700_000_000,
        headers: { traceparent: '00-1-2-01', nested: { list: [1, 'two', true] } },
        userId: 'somebody-else',
      },
    })
    const message = await world.channel().get(REQUEST_QUEUE, { noAck: true })
    expect(message).toMatchObject({
      content: Buffer.from([0, 255, 1]),
      properties: {
        contentType: 'application/json',
        messageId: 'm-1',
        correlationId: 'c-1',
        type: 't',
        timestamp: 1_700_000_000,
        deliveryMode: 2,
        headers: { traceparent: '00-1-2-01', nested: { list: [1, 'two', true] } },
        userId: undefined,
      },
    })
  })

  it('keeps the order of the calls beyond its window', async () => {
    const publisher = await publisherOf({ maxInFlight: 7 })
    const bodies = Array.from({ length: 200 }, (_, index) => String(index))
    await Promise.all(bodies.map((body) => publisher.publish(requestMessage(body))))
    expect(await world.drain()).toEqual(bodies)
    expect(publisher.inFlight()).toBe(0)
  })

  it('has only its window on the way, by count and by bytes', async () => {
    const byCount = await publisherOf({ maxInFlight: 10 })
    const byBytes = await publisherOf({ maxInFlightBytes: 10_000 })
    proxy.freeze('down')
    const already = proxy.forwarded('up')
    const large = 'x'.repeat(2500)
    const published = [
      ...Array.from({ length: 50 }, () => byCount.publish(requestMessage('1'))),
      ...Array.from({ length: 50 }, () => byBytes.publish(requestMessage(large, { properties: {} }))),
    ]
    // The broker stores what it is sent, although its confirms do not get through.
    await eventually(async () => expect(await world.depth()).toBe(10 + 4))
    expect(proxy.forwarded('up') - already).toBeLessThan(10 * 500 + 5 * 2700)
    expect([byCount.inFlight(), byBytes.inFlight()]).toEqual([50, 50])
    proxy.pass()
    await Promise.all(published)
    expect(await world.depth()).toBe(100)
  })

  it('sends a message larger than the window alone', async () => {
    const publisher = await publisherOf({ maxInFlightBytes: 100 })
    await Promise.all(
      ['a', 'b'].map((body) => publisher.publish(requestMessage(body.repeat(5000), { properties: {} }))),
    )
    expect(await world.depth()).toBe(2)
  })

  it('tells the unroutable from the good ones, with or without message ids', async () => {
    const publisher = await publisherOf()
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, index) => {
        const routingKey = index % 3 === 0 ? 'nobody.listens' : REQUEST_QUEUE
        const properties = index % 2 === 0 ? { messageId: `m-${index}` } : {}
        return kindOf(
          publisher.publish({ exchange: '', routingKey, body: String(index), properties, mandatory: true }),
        )
      }),
    )
    expect(outcomes).toEqual(outcomes.map((_, index) => (index % 3 === 0 ? 'returned' : 'confirmed')))
    expect(await kindOf(publisher.publish(requestMessage('x', { routingKey: 'nobody.listens' })))).toBe(
      'confirmed',
    )
  })

  it('reports what the queue refuses', async () => {
    const queue = 'full'
    await world.channel().assertQueue(queue, {
      durable: true,
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    })
    const publisher = await publisherOf()
    const outcomes: string[] = []
    for (let index = 0; index < 20; index += 1) {
      outcomes.push(await kindOf(publisher.publish(requestMessage('x', { routingKey: queue }))))
    }
    expect(new Set(outcomes)).toEqual(new Set(['confirmed', 'nacked']))
    await world.channel().deleteQueue(queue)
  })

  it('does not know what became of a message whose confirm was lost', async () => {
    const publisher = await publisherOf({ maxInFlight: 1 })
    proxy.freeze('down')
    const sent = kindOf(publisher.publish(requestMessage('sent')))
    const waiting = kindOf(publisher.publish(requestMessage('waiting')))
    await eventually(async () => expect(await world.depth()).toBe(1))
    proxy.cut()
    expect(await sent).toBe('unknown')
    expect(await waiting).toBe('unavailable')
    expect(await world.drain()).toEqual(['sent'])
  })

  it('fails at once without a session, and works again with the next', async () => {
    const publisher = await publisherOf()
    proxy.refuse()
    proxy.cut()
    await eventually(() => expect(broker.health().ok).toBe(false))
    expect(await kindOf(publisher.publish(requestMessage('lost')))).toBe('unavailable')
    expect(publisher.inFlight()).toBe(0)
    proxy.pass()
    await ready()
    await publisher.publish(requestMessage('kept'))
    expect(await world.drain()).toEqual(['kept'])
  })

  it('ends a session in which a confirm is overdue', async () => {
    const publisher = await publisherOf({ confirmTimeoutMs: 2000 })
    proxy.freeze('down')
    expect(await kindOf(publisher.publish(requestMessage('silence')))).toBe('unknown')
    await eventually(() => expect(world.lines.join()).toContain('no publisher confirm within 2000 ms'))
    proxy.pass()
    await ready()
    expect(await kindOf(publisher.publish(requestMessage('again')))).toBe('confirmed')
  })

  it('refuses what AMQP cannot carry, and nothing else suffers', async () => {
    const publisher = await publisherOf()
    const good = publisher.publish(requestMessage('good'))
    const headers = { large: 'x'.repeat(70_000) }
    expect(await kindOf(publisher.publish(requestMessage('h', { properties: { headers } })))).toBe(
      'unencodable',
    )
    expect(await kindOf(publisher.publish(requestMessage('k', { routingKey: 'x'.repeat(300) })))).toBe(
      'unencodable',
    )
    await good
    expect(await kindOf(publisher.publish(requestMessage('better')))).toBe('confirmed')
    expect(await world.drain()).toEqual(['good', 'better'])
  })

  it('survives a missing exchange alone: others and the session go on', async () => {
    const events = await publisherOf({ name: 'events' })
    const letters = await publisherOf({ name: 'letters' })
    const sessionsBefore = world.lines.length
    const bad = letters.publish(requestMessage('bad', { exchange: 'missing' }))
    const neighbours = Array.from({ length: 50 }, (_, index) => letters.publish(requestMessage(`n${index}`)))
    const others = Array.from({ length: 50 }, (_, index) => events.publish(requestMessage(`e${index}`)))
    await expect(bad).rejects.toMatchObject({
      kind: 'unknown',
      message: expect.stringContaining("no exchange 'missing'"),
    })
    for (const kind of await Promise.all(neighbours.map(kindOf)))
      expect(['unknown', 'unavailable']).toContain(kind)
    await Promise.all(others)
    expect(broker.health()).toEqual({ ok: true })
    await eventually(async () => letters.publish(requestMessage('after')))
    expect(world.lines.slice(sessionsBefore).filter((line) => line.includes('broker amqp'))).toEqual([])
  })

  it('declares a deleted exchange again', async () => {
    const publisher = await publisherOf()
    await world.channel().deleteExchange(EVENT_EXCHANGE)
    expect(await kindOf(publisher.publish(requestMessage('x', { exchange: EVENT_EXCHANGE })))).toBe('unknown')
    await eventually(async () => publisher.publish(requestMessage('y', { exchange: EVENT_EXCHANGE })))
  })

  it('lets everything that was published finish when it stops', async () => {
    const publisher = await publisherOf({ maxInFlight: 10 })
    const published = Array.from({ length: 500 }, (_, index) =>
      publisher.publish(requestMessage(String(index))),
    )
    await publisher.stop()
    await Promise.all(published)
    expect(await kindOf(publisher.publish(requestMessage('late')))).toBe('unavailable')
    expect(await world.depth()).toBe(500)
  })
})
