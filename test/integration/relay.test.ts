import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PublishError } from '../../src/amqp/errors.ts'
import type { OutgoingMessage } from '../../src/amqp/message.ts'
import { createDatabase, type Database, type Sql } from '../../src/database/database.ts'
import { createRequestStore } from '../../src/intake/request-store.ts'
import { createReadCursor } from '../../src/outbox/read-cursor.ts'
import { readSegments } from '../../src/outbox/read-segments.sql.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import type { Service } from '../../src/runtime/service.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLogger } from '../support/clouddc-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { buildRejected } from '../support/rejected-message.ts'
import { createTestRelay } from '../support/relay-world.ts'
import { insertHistoryPart, insertRequestRow } from '../support/request-rows.ts'
import { clearTables } from '../support/store-database.ts'
import { openConnection } from './statement-world.ts'

let created: TestDatabase
let database: Database
const running: Service[] = []
/** Row ids and versions of the requests of this test, by their name. */
let requests: Map<string, { id: string; version: number }>

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
  requests = new Map()
  for (const name of ['a', 'b', 'c']) requests.set(name, { id: await insertRequestRow(database), version: 1 })
  return async () => {
    await Promise.all(running.splice(0).map((service) => service.stop()))
  }
})

/** One segment with an event for each name: `a-1` is one of request a. */
async function write(names: readonly string[], sql: Sql = database): Promise<void> {
  const rows = names.map((name) => {
    const request = requests.get(name.charAt(0)) ?? { id: '', version: 0 }
    request.version += 1
    return { id: request.id, version: request.version - 1, to: null, change: { cause: name, attempt: 1 } }
  })
  expect((await changeRequests({ throughPrisma: sql }, rows)).size).toBe(names.length)
}

/** The name of a written event. */
const nameOf = ({ body }: OutgoingMessage) => String(JSON.parse(String(body)).data.reason)

/** A relay whose broker does with each event what `accept` says, at its own pace. */
async function startRelay(
  accept: (name: string, message: OutgoingMessage) => Promise<void> = async () => undefined,
  options: { window?: number; logger?: typeof silentLogger; metrics?: ReturnType<typeof createMetrics> } = {},
) {
  const published: string[] = []
  const messages: OutgoingMessage[] = []
  const relay = createTestRelay({
    database,
    ...options,
    accept: async (message) => {
      await accept(nameOf(message), message)
      published.push(nameOf(message))
      messages.push(message)
    },
  })
  running.push(relay)
  await relay.start()
  return { relay, published, messages }
}

const left = async () => (await database.query('SELECT FROM outbox_segment')).length

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

test('a read does not pass the position of a transaction that began after others which have ended', async () => {
  const older = await openTransaction()
  await older.query('SELECT pg_current_xact_id()')
  const younger = await openTransaction()
  await younger.query('SELECT pg_current_xact_id()')
  await write(['a-1'], younger)
  await write(['b-1'], older)
  await older.commit()
  let now = 0
  const cursor = createReadCursor(() => now)
  const read = async () => {
    const rows = await readSegments(database, { after: cursor.start(), inHand: '{}', limit: 10 })
    cursor.readTo(rows.at(-1), false)
    return rows.length
  }
  expect(await read()).toBe(1)
  now = 300
  expect(await read()).toBe(1)
  now = 600
  expect(cursor.start()).toBe(0)
  await younger.commit()
  expect(await read()).toBe(2)
})

describe('the relay', () => {
  test('publishes all events, those of one request in order, and removes them', async () => {
    const { published, relay } = await startRelay(() => new Promise((done) => setImmediate(done)), {
      window: 4,
    })
    for (let n = 0; n < 30; n += 1) {
      await write(['a', 'b', 'c'].map((key) => `${key}-${String(n).padStart(2, '0')}`))
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
    await write(['a-1'], early)
    const { published, relay } = await startRelay()
    for (let n = 0; n < 20; n += 1) {
      await write([`b-${n}`])
      relay.wake()
      await eventually(() => expect(published).toContain(`b-${n}`))
    }
    expect(published).not.toContain('a-1')
    await early.commit()
    relay.wake()
    await eventually(() => expect(published).toContain('a-1'))
    await eventually(async () => expect(await left()).toBe(0))
  })

  test('keeps the order of a request whose first event is committed late', async () => {
    const slow = await openTransaction()
    await write(['a-1'], slow)
    const { published, relay } = await startRelay()
    await write(['b-1'])
    relay.wake()
    await eventually(() => expect(published).toEqual(['b-1']))
    await slow.commit()
    await write(['a-2'])
    relay.wake()
    await eventually(() => expect(published).toEqual(['b-1', 'a-1', 'a-2']))
  })

  test('publishes again what was in doubt, with the same id, and what waited behind it after it', async () => {
    const ids: unknown[] = []
    let losses = 3
    const { published } = await startRelay(async (name, { properties }) => {
      if (name === 'a-1') ids.push(properties.messageId)
      if (name === 'a-1' && losses > 0) {
        losses -= 1
        throw new PublishError('unknown', 'the connection was lost')
      }
    })
    for (const name of ['a-1', 'a-2', 'a-3']) await write([name])
    await eventually(() => expect(published).toEqual(['a-1', 'a-2', 'a-3']))
    expect(ids).toHaveLength(4)
    expect(new Set(ids).size).toBe(1)
  })

  test('holds an event up for no other request, and keeps its segment until it is out', async () => {
    const stuck = Promise.withResolvers<void>()
    const { published } = await startRelay((name) => (name === 'a-1' ? stuck.promise : Promise.resolve()))
    await write(['a-1', 'b-1'])
    await write(['a-2'])
    await write(['b-2'])
    await eventually(() => expect(published).toEqual(['b-1', 'b-2']))
    await eventually(async () => expect(await left()).toBe(2))
    stuck.resolve()
    await eventually(() => expect(published).toEqual(['b-1', 'b-2', 'a-1', 'a-2']))
    await eventually(async () => expect(await left()).toBe(0))
  })

  test('finishes what is in flight before it stops', async () => {
    const slow = Promise.withResolvers<void>()
    const begun: string[] = []
    const { relay, published } = await startRelay(async (name) => {
      begun.push(name)
      await slow.promise
    })
    await write(['a-1', 'b-1'])
    relay.wake()
    await eventually(() => expect(begun).toHaveLength(2))
    const stopped = relay.stop()
    slow.resolve()
    await stopped
    expect(published).toHaveLength(2)
    expect(await left()).toBe(0)
  })
})

describe('events are made of rows', () => {
  test('those of instances that ended, before that of their request', async () => {
    const instances = [
      { id: 'i-1', state: 'running' as const },
      { id: 'i-2', state: 'failed' as const },
    ]
    const counts = { min: 1, max: 2, created: 2, running: 1, failed: 1 }
    const at = Date.parse('2026-11-23T12:00:00.5Z')
    const history = [
      { v: 1, at, to: 'queued' as const, cause: 'accepted' },
      { v: 4, at, to: 'partially_running' as const, cause: 'instances_ended', counts },
    ]
    const id = await insertRequestRow(database, {
      state: 'partially_running',
      instances,
      history,
      at: new Date(at),
    })
    await database.query(
      'INSERT INTO outbox_segment (refs) VALUES ($1)',
      `["${id}",1],["${id}",4,"i-2","i-1"]`,
    )
    const { messages } = await startRelay()
    await eventually(() => expect(messages).toHaveLength(4))
    expect(
      messages.map(({ properties, body }) => [properties.type, JSON.parse(String(body)).subject]),
    ).toEqual([
      ['provisioner.request.accepted', undefined],
      ['provisioner.instance.running', 'i-1'],
      ['provisioner.instance.failed', 'i-2'],
      ['provisioner.request.completed', undefined],
    ])
    for (const { properties, body } of messages) {
      expect(JSON.parse(String(body))).toMatchObject({
        id: properties.messageId,
        time: '2026-11-23T12:00:00.500Z',
        data: { project_id: 'p', request_id: `order-${id}` },
      })
    }
  })

  test('also of the older parts of a history', async () => {
    const { id } = requests.get('a') ?? { id: '' }
    for (const name of ['a-2', 'a-3', 'a-4', 'a-5', 'a-6']) await write([name])
    const lines = (
      await database.query<{ history: string }>('SELECT history FROM provision_request WHERE id = $1', id)
    )
      .flatMap(({ history }) => history.split('\n'))
      .filter((line) => line !== '')
    const entries = lines.map((line) => JSON.parse(line))
    await insertHistoryPart(database, { requestRow: id, history: entries.slice(0, 2) })
    await insertHistoryPart(database, { requestRow: id, history: entries.slice(2, 4) })
    await database.query(
      `UPDATE provision_request SET history = $2 WHERE id = $1`,
      id,
      `${lines.slice(4).join('\n')}\n`,
    )
    const { published } = await startRelay()
    await eventually(() => expect(published).toEqual(['a-2', 'a-3', 'a-4', 'a-5', 'a-6']))
  })

  test('of a message that was rejected, from its segment alone', async () => {
    const store = createRequestStore({ database, limitOf: () => ({ perSecond: 1, burst: 1 }) })
    const subject = {
      projectId: 'p',
      requestId: 'r',
      correlationId: 'c',
      traceparent: null,
      tracestate: null,
    }
    const rejections = ['one', 'two'].map((code) => ({ ...subject, id: uuidv7(), code, detail: [] }))
    await store.insertRejections(rejections.map((rejection) => buildRejected(rejection)))
    const { messages } = await startRelay()
    await eventually(() => expect(messages).toHaveLength(2))
    const [segment] = messages.map(({ body }) => JSON.parse(String(body)))
    expect(messages.map(({ properties }) => [properties.messageId, properties.correlationId])).toEqual(
      rejections.map(({ id }) => [id, 'c']),
    )
    expect(Math.abs(Date.parse(segment.time) - Date.now())).toBeLessThan(60_000)
  })

  test('those that are not there are left out, counted and logged, and hold up no other', async () => {
    const lines: string[] = []
    const metrics = createMetrics()
    const gone = uuidv7()
    const { id = '' } = requests.get('b') ?? {}
    const refs = `["${gone}",1],["${id}",1,"no-such-instance"]`
    await database.query('INSERT INTO outbox_segment (refs) VALUES ($1)', refs)
    await write(['a-1'])
    const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) })
    const { published } = await startRelay(undefined, { logger, metrics })
    await eventually(async () => expect(await left()).toBe(0))
    expect(published).toEqual(['a-1'])
    expect(lines.map((line) => JSON.parse(line).request)).toEqual([gone, id])
    expect(await metrics.registry.metrics()).toContain(
      'provisioner_invariant_violations_total{invariant="missing_event"} 2',
    )
  })
})

describe('an event that no queue takes', () => {
  test('is counted, logged once for its kind, and holds up nothing', async () => {
    const lines: string[] = []
    const metrics = createMetrics()
    const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) })
    await write(['a-1', 'b-1'])
    await write(['a-2'])
    const { published } = await startRelay(
      async (name) => {
        if (name.endsWith('-1')) throw new PublishError('returned', 'no queue is bound')
      },
      { logger, metrics },
    )
    await eventually(async () => expect(await left()).toBe(0))
    expect(published).toEqual(['a-2'])
    expect(lines.map((line) => JSON.parse(line).kind)).toEqual(['request.uncertain'])
    expect(await metrics.registry.metrics()).toContain('provisioner_outbox_returned_total 2')
  })
})
