import { beforeEach, describe, expect, it } from 'vitest'
import { type Broadcast, createBroadcast } from '../../src/amqp/broadcast.ts'
import { createBroker } from '../../src/amqp/connection.ts'
import { WAKE_UP_EXCHANGE } from '../../src/amqp/topology.ts'
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

/** A replica with what it has heard, and how often it was told that it hears, or does not. */
async function replica(url = world.url()) {
  const heard: string[] = []
  const hearing: boolean[] = []
  const broker = await world.run(createBroker({ url, logger: world.logger, backoffMs: SHORT_BACKOFF }))
  const broadcast: Broadcast = await world.run(
    createBroadcast({
      broker,
      exchange: WAKE_UP_EXCHANGE,
      onWords: (words) => heard.push(...words),
      onHearing: (hears) => hearing.push(hears),
      logger: world.logger,
    }),
  )
  await eventually(() => expect(broadcast.hears()).toBe(true))
  return { broker, broadcast, heard, hearing }
}

describe('what a replica says', () => {
  it('is heard by all others, each word of a moment once, and not by itself', async () => {
    const [one, two, three] = [await replica(), await replica(), await replica()]
    for (const word of ['relay', 'poller', 'relay', 'relay']) one.broadcast.say(word)
    await eventually(() =>
      expect([two.heard, three.heard]).toEqual([
        ['relay', 'poller'],
        ['relay', 'poller'],
      ]),
    )
    two.broadcast.say('poller')
    await eventually(() => expect([one.heard, three.heard.length]).toEqual([['poller'], 3]))
    expect(two.heard).toHaveLength(2)
  })

  it('is said as well while earlier words are gathered', async () => {
    const [one, two] = [await replica(), await replica()]
    one.broadcast.say('relay')
    await eventually(() => expect(two.heard).toEqual(['relay']))
    one.broadcast.say('relay')
    await eventually(() => expect(two.heard).toEqual(['relay', 'relay']))
  })

  it('is said before the link is closed', async () => {
    const [one, two] = [await replica(), await replica()]
    one.broadcast.say('rescuer')
    await one.broadcast.stop()
    await eventually(() => expect(two.heard).toEqual(['rescuer']))
  })

  it('is dropped without a fault when there is no link', async () => {
    const broker = createBroker({ url: 'amqp://127.0.0.1:1', logger: world.logger, backoffMs: SHORT_BACKOFF })
    await world.run(broker)
    const broadcast = createBroadcast({
      broker,
      exchange: WAKE_UP_EXCHANGE,
      onWords: () => undefined,
      onHearing: () => undefined,
      logger: world.logger,
    })
    await world.run(broadcast)
    broadcast.say('relay')
    expect(broadcast.hears()).toBe(false)
  })
})

describe('a replica', () => {
  it('knows that it hears no one while its link is cut, and when it hears again', async () => {
    const one = await replica(proxy.through(world.url()))
    const two = await replica()
    expect(one.hearing).toEqual([true])
    proxy.cut()
    await eventually(() => expect(one.hearing).toEqual([true, false, true]))
    two.broadcast.say('relay')
    await eventually(() => expect(one.heard).toEqual(['relay']))
  })

  it('listens on another channel when the exchange was deleted, and its session goes on', async () => {
    const [one, two] = [await replica(), await replica()]
    await world.channel().deleteExchange(WAKE_UP_EXCHANGE)
    // The broker ends the channel of whoever says something to an exchange that is missing.
    one.broadcast.say('lost')
    await eventually(() => expect(one.hearing).toEqual([true, false, true]))
    expect(one.broker.health()).toEqual({ ok: true })
    two.broadcast.say('relay')
    await eventually(() => expect(one.heard).toEqual(['relay']))
  })
})
