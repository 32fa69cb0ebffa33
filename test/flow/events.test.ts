import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readEvent } from '../../checker/event-contract.ts'
import { EVENT_EXCHANGE } from '../../src/amqp/topology.ts'
import { type AppWorld, createAppWorld, type RequestKey } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { receiveReplay, sendAgain } from '../support/replay.ts'

let world: AppWorld
let connection: ChannelModel

beforeAll(async () => {
  world = await createAppWorld()
  connection = await connect(world.broker.url)
  world.defer(() => connection.close())
  await world.startApp()
})
afterAll(() => world.close())

/** Requests of every kind and end, all at once. */
async function placeVariety(project_id: string): Promise<RequestKey[]> {
  const { faults } = world.simulator
  const operation = 'RunInstances'
  faults.add({ kind: 'error_after', operation, project: project_id })
  faults.add({ kind: 'boot', operation, project: project_id, boot_ms: 30, boot_failures: 1 })
  const keys = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      world.order({
        project_id,
        spec: { min_count: 1, max_count: (n % 3) + 1 },
        ...(n === 7 ? { deadline: '2020-01-01T00:00:00Z' } : {}),
      }),
    ),
  )
  const lacking = { placement: { server_id_set: ['no-such-server'] } }
  keys.push(await world.order({ project_id, spec: lacking }))
  return keys
}

describe('events', () => {
  test('tell every step of every request, in order, each with one id', async () => {
    const keys = await placeVariety(world.newProject())
    for (const key of keys) {
      const events = await world.allEventsOf(key)
      const status = await world.statusOf(key)
      const kinds = events.map((event) => event.kind)
      expect(kinds[0]).toBe('request.accepted')
      expect(kinds.filter((kind) => kind === 'request.completed')).toHaveLength(1)
      expect(kinds.filter((kind) => kind === 'request.dispatched')).toHaveLength(status.counts.created && 1)
      expect(kinds.filter((kind) => kind.startsWith('instance.'))).toHaveLength(status.counts.created)
      for (const [index, kind] of kinds.entries()) {
        if (kind.startsWith('instance.')) expect(kinds.indexOf('request.dispatched')).toBeLessThan(index)
      }
      expect(events.at(-1)?.data).toMatchObject({ state: status.state, counts: status.counts })
      const times = events.map((event) => event.time)
      expect(times).toEqual(times.toSorted())
    }
  })

  test('are what the contract says, envelope and data, in body and in properties', () => {
    expect(world.copies().length).toBeGreaterThan(50)
    for (const copy of world.copies()) expect(readEvent(copy)).not.toHaveProperty('faults')
  })

  test('have one body for one id', () => {
    const bodies = new Map<string, string>()
    for (const { messageId = '', body } of world.copies()) {
      expect(bodies.get(messageId) ?? body).toBe(body)
      bodies.set(messageId, body)
    }
  })

  test('can be sent again, in order, each as it was', async () => {
    const channel = await connection.createChannel()
    const messages = await receiveReplay(channel, 'again')
    const sent = await sendAgain(urlsOf(world), 'again', sinceEver())
    await eventually(() => expect(messages).toHaveLength(sent))
    await channel.close()
    const replayed = messages.map(({ content, properties }) => ({
      messageId: properties.messageId,
      correlationId: properties.correlationId,
      body: content.toString(),
    }))
    const published = new Map(world.copies().map((copy) => [copy.messageId, copy]))
    expect(bodiesByRequest(replayed)).toEqual(bodiesByRequest([...published.values()]))
  })

  test('leave nothing in the outbox once they are confirmed', async () => {
    await eventually(async () => expect(await world.database.query('SELECT FROM outbox_segment')).toEqual([]))
  })
})

describe('a consumer of one kind only', () => {
  test('gets that kind, and misses nothing because the others are wanted by nobody', async () => {
    const own = await createAppWorld({ consumers: false })
    const other = await connect(own.broker.url)
    try {
      const types = await bind(other, 'instance.running.#')
      await own.startApp()
      const keys = await Promise.all(Array.from({ length: 5 }, () => own.order({ project_id: 'p' })))
      for (const key of keys) await own.ended(key)
      await eventually(() => expect(types).toHaveLength(5))
      expect(new Set(types)).toEqual(new Set(['provisioner.instance.running']))
    } finally {
      await other.close()
      await own.close()
    }
  })
})

describe('a consumer that binds its queue only later', () => {
  test('has what has happened before sent again, to itself alone', async () => {
    const own = await createAppWorld({ consumers: false })
    const other = await connect(own.broker.url)
    try {
      await own.startApp()
      const key = await own.order({ project_id: 'p' })
      await own.ended(key)
      const types = await bind(other, '#')
      const messages = await receiveReplay(await other.createChannel(), 'late')
      await sendAgain(urlsOf(own), 'late', sinceEver())
      await eventually(() =>
        expect(messages.map(({ properties }) => properties.type)).toEqual([
          'provisioner.request.accepted',
          'provisioner.request.dispatched',
          'provisioner.instance.running',
          'provisioner.request.completed',
        ]),
      )
      expect(types).toEqual([])
    } finally {
      await other.close()
      await own.close()
    }
  })
})

const sinceEver = () => ({ from: new Date('2020-01-01T00:00:00Z'), to: new Date() })

function urlsOf({ database, broker }: AppWorld) {
  return { databaseUrl: database.url, amqpUrl: broker.url }
}

/** Bodies of events in order, by the request they are about. */
function bodiesByRequest(events: readonly { body: string }[]) {
  const bodies = events.map(({ body }) => JSON.parse(body))
  return Object.groupBy(bodies, ({ source }) => String(source))
}

/** The types of the events that arrive in a queue of its own, bound with this pattern. */
async function bind(on: ChannelModel, pattern: string): Promise<string[]> {
  const types: string[] = []
  const channel = await on.createChannel()
  await channel.assertExchange(EVENT_EXCHANGE, 'topic', { durable: true })
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, EVENT_EXCHANGE, pattern)
  const receive = (message: ConsumeMessage | null) => types.push(String(message?.properties.type))
  await channel.consume(queue, receive, { noAck: true })
  return types
}
