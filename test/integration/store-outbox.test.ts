import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PublishError } from '../../src/amqp/errors.ts'
import type { OutgoingMessage } from '../../src/amqp/message.ts'
import type { NewEvent } from '../../src/contracts/events.ts'
import { createDatabase, type Database, type Sql } from '../../src/database/database.ts'
import { createParking } from '../../src/outbox/parking.ts'
import { createRelay } from '../../src/outbox/relay.ts'
import { insertEvents } from '../../src/request/insert-events.sql.ts'
import type { Service } from '../../src/runtime/service.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLogger } from '../support/clouddc-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, tirelessReplica } from '../support/reconcile-world.ts'
import { openConnection, REPLICA } from './store-world.ts'

let created: TestDatabase
let database: Database
const running: Service[] = []

beforeAll(async () => {
  created = await createTestDatabase()
  database = createDatabase({ url: created.url, poolSize: 6, logger: silentLogger })
})
afterAll(async () => {
  await database.close()
  await created.drop()
})
beforeEach(async () => {
  await clearTables(database)
  await database.query('TRUNCATE parked_event')
  return async () => {
    await Promise.all(running.splice(0).map((service) => service.stop()))
  }
})

const event = (key: string, name: string): NewEvent => ({
  id: uuidv7(),
  orderingKey: key,
  routingKey: `request.accepted.${key}`,
  type: name,
  correlationId: null,
  body: [JSON.stringify({ name })],
})

const write = (...events: NewEvent[]) => insertEvents(database, events)

/** A relay whose broker does with each message what `accept` says, at its own pace. */
async function startRelay(accept: (message: OutgoingMessage) => Promise<void> = async () => undefined) {
  const published: string[] = []
  const relay = createRelay({
    database,
    publisher: {
      name: 'publisher',
      start: async () => undefined,
      stop: async () => undefined,
      inFlight: () => 0,
      publish: async (message) => {
        await accept(message)
        published.push(String(message.properties?.type))
      },
    },
    brokerReady: () => true,
    replica: tirelessReplica(REPLICA),
    window: 100,
    metrics: createMetrics(),
    logger: silentLogger,
  })
  running.push(relay)
  await relay.start()
  return { relay, published }
}

const left = async () => (await database.query<{ type: string }>('SELECT type FROM outbox_event')).length

/** A transaction of its own, that the test ends. */
async function openTransaction(): Promise<Sql & { commit(): Promise<void> }> {
  const connection = await openConnection(created.url)
  await connection.query('BEGIN')
  return {
    query: connection.query,
    commit: async () => {
      await connection.query('COMMIT')
      await connection.close()
    },
  }
}

describe('the relay', () => {
  test('publishes all events, those of one request in order, and removes them', async () => {
    const { published, relay } = await startRelay(() => new Promise((done) => setImmediate(done)))
    for (let n = 0; n < 30; n += 1) {
      await write(...['a', 'b', 'c'].map((key) => event(key, `${key}-${String(n).padStart(2, '0')}`)))
      relay.wake()
    }
    await eventually(() => expect(published).toHaveLength(90))
    for (const key of ['a', 'b', 'c']) {
      const own = published.filter((name) => name.startsWith(key))
      expect(own).toEqual(own.toSorted())
    }
    await eventually(async () => expect(await left()).toBe(0))
  })

  test('finds events whose transaction was committed after later ones were published', async () => {
    const early = await openTransaction()
    await insertEvents(early, [event('early', 'early')])
    const { published, relay } = await startRelay()
    for (let n = 0; n < 20; n += 1) {
      await write(event('late', `late-${n}`))
      relay.wake()
      await eventually(() => expect(published).toContain(`late-${n}`))
    }
    expect(published).not.toContain('early')
    await early.commit()
    relay.wake()
    await eventually(() => expect(published).toContain('early'))
    await eventually(async () => expect(await left()).toBe(0))
  })

  test('keeps the order of a request whose first event is committed late', async () => {
    const slow = await openTransaction()
    await insertEvents(slow, [event('a', 'a-1')])
    const { published, relay } = await startRelay()
    await write(event('b', 'b-1'))
    relay.wake()
    await eventually(() => expect(published).toEqual(['b-1']))
    await slow.commit()
    await write(event('a', 'a-2'))
    relay.wake()
    await eventually(() => expect(published).toEqual(['b-1', 'a-1', 'a-2']))
  })

  test('publishes again what was in doubt, with the same id, and what waited behind it after it', async () => {
    const ids: unknown[] = []
    let losses = 3
    const { published } = await startRelay(async (message) => {
      if (message.properties?.type === 'a-1') ids.push(message.properties.messageId)
      if (message.properties?.type === 'a-1' && losses > 0) {
        losses -= 1
        throw new PublishError('unknown', 'the connection was lost')
      }
    })
    await write(event('a', 'a-1'), event('a', 'a-2'), event('a', 'a-3'))
    await eventually(() => expect(published).toEqual(['a-1', 'a-2', 'a-3']))
    expect(ids).toHaveLength(4)
    expect(new Set(ids).size).toBe(1)
  })

  test('holds an event up for no other request', async () => {
    const stuck = Promise.withResolvers<void>()
    const { published } = await startRelay(async (message) => {
      if (message.properties?.type === 'a-1') await stuck.promise
    })
    await write(event('a', 'a-1'), event('a', 'a-2'), event('b', 'b-1'), event('b', 'b-2'))
    await eventually(() => expect(published).toEqual(['b-1', 'b-2']))
    stuck.resolve()
    await eventually(() => expect(published).toEqual(['b-1', 'b-2', 'a-1', 'a-2']))
  })

  test('finishes what is in flight before it stops', async () => {
    const slow = Promise.withResolvers<void>()
    const { relay, published } = await startRelay(() => slow.promise)
    await write(event('a', 'a-1'), event('b', 'b-1'))
    relay.wake()
    await eventually(async () => expect(await left()).toBe(2))
    const stopped = relay.stop()
    slow.resolve()
    await stopped
    expect(await left()).toBe(2 - published.length)
  })
})

describe('an event that no queue takes', () => {
  const returned = async () => {
    throw new PublishError('returned', 'no queue is bound')
  }
  const startParking = async (unroutableTtlMs: number, onUnparked: () => void = () => undefined) => {
    const parking = createParking({
      database,
      replica: tirelessReplica(REPLICA),
      unroutableTtlMs,
      metrics: createMetrics(),
      logger: silentLogger,
      onUnparked,
    })
    running.push(parking)
    await parking.start()
  }
  const parked = () => database.prisma.parkedEvent.findMany({ orderBy: { returns: 'asc' } })

  test('is set aside, and tried again later and later under the same id', async () => {
    await startRelay(returned)
    const one = event('a', 'a-1')
    await write(one)
    await eventually(async () => expect(await parked()).toMatchObject([{ id: one.id, returns: 1 }]))
    expect(await left()).toBe(0)
    const waitMs = async () => ((await parked())[0]?.retryAt.getTime() ?? 0) - Date.now()
    expect(await waitMs()).toBeLessThan(10_000)
    await database.query(`UPDATE parked_event SET returns = 9, retry_at = now() - interval '1 second'`)
    await startParking(3_600_000)
    await eventually(async () => expect(await parked()).toMatchObject([{ id: one.id, returns: 10 }]))
    expect(await waitMs()).toBeGreaterThan(600_000)
  })

  test('is dropped when nobody has wanted it for long', async () => {
    await startRelay(returned)
    await write(event('a', 'a-1'))
    await eventually(async () => expect(await parked()).toHaveLength(1))
    await database.query(`UPDATE parked_event SET first_returned_at = now() - interval '1 hour'`)
    await startParking(60_000)
    await eventually(async () => expect(await parked()).toHaveLength(0))
    expect(await left()).toBe(0)
  })

  test('is kept as long where it had waited for the broker before, counted from its first return', async () => {
    const old = event('a', 'a-1')
    await write(old)
    await database.query(`UPDATE outbox_event SET created_at = now() - interval '1 day'`)
    await startRelay(returned)
    await eventually(async () => expect(await parked()).toMatchObject([{ id: old.id, returns: 1 }]))
    const firstReturnedAt = (await parked())[0]?.firstReturnedAt
    await startParking(3_600_000)
    await database.query(`UPDATE parked_event SET returns = 9, retry_at = now() - interval '1 second'`)
    await eventually(async () => expect(await parked()).toMatchObject([{ id: old.id, returns: 10 }]))
    expect(await parked()).toMatchObject([{ firstReturnedAt }])
  })
})

test('text that PostgreSQL cannot hold costs no event', async () => {
  const odd = { ...event('p/odd', 'odd'), correlationId: 'a\0b\ud800' }
  await write(event('p/one', 'one'), odd, event('p/two', 'two'))
  const rows = await database.query('SELECT type, correlation_id FROM outbox_event ORDER BY position')
  expect(rows).toEqual([
    { type: 'one', correlation_id: null },
    { type: 'odd', correlation_id: 'a\ufffdb\ufffd' },
    { type: 'two', correlation_id: null },
  ])
})
