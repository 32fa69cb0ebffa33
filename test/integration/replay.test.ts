import { type Channel, connect } from 'amqplib'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase } from '../../src/database/database.ts'
import type { PastEvents } from '../../src/outbox/past-events.ts'
import type { HistoryEntry } from '../../src/request/history.ts'
import { createTestBroker } from '../support/broker.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { receiveReplay, sendAgain } from '../support/replay.ts'
import { insertHistoryPart, insertRequestRow } from '../support/request-rows.ts'
import { readEvent } from '../support/seen-event.ts'

const created = await createTestDatabase()
const broker = await createTestBroker()
const database = createDatabase({ url: created.url, poolSize: 4, logger: pino({ level: 'silent' }) })
const connection = await connect(broker.url)
let channel: Channel

beforeAll(async () => {
  channel = await connection.createChannel()
})
afterAll(async () => {
  await connection.close()
  await database.close()
  await created.drop()
  await broker.drop()
})

const replay = (target: string, events: PastEvents) =>
  sendAgain({ databaseUrl: created.url, amqpUrl: broker.url }, target, events)
const bind = (target: string) => receiveReplay(channel, target)

const day = (date: number, hour = 0) => new Date(Date.UTC(2026, 10, date, hour))

/** A request accepted on one day and cancelled on another. */
function insertCancelled(projectId: string, from: Date, to: Date): Promise<string> {
  const history: HistoryEntry[] = [
    { v: 1, at: from.getTime(), to: 'queued', cause: 'accepted' },
    { v: 2, at: to.getTime(), to: 'cancelled', cause: 'cancelled' },
  ]
  return insertRequestRow(database, { projectId, state: 'cancelled', at: to, createdAt: from, history })
}

test('what happened in a time is sent to the target, in order per request, and nobody else gets it', async () => {
  const at = day(3, 12)
  const id = await insertRequestRow(database, {
    projectId: 'p-1',
    state: 'partially_running',
    at,
    createdAt: day(1),
    instances: [
      { id: 'i-1', state: 'running' },
      { id: 'i-2', state: 'failed' },
    ],
    history: [
      {
        v: 9,
        at: at.getTime(),
        to: 'partially_running',
        cause: 'instances_ended',
        counts: { min: 1, max: 2, created: 2, running: 1, failed: 1 },
      },
    ],
  })
  await insertHistoryPart(database, {
    requestRow: id,
    history: [
      { v: 1, at: day(1).getTime(), to: 'queued', cause: 'accepted' },
      { v: 2, at: day(2).getTime(), to: 'dispatching', cause: 'claimed', attempt: 1 },
      { v: 3, at: day(2).getTime(), to: 'uncertain', cause: 'timeout', attempt: 1, outcome: 'uncertain' },
    ],
  })
  await insertHistoryPart(database, {
    requestRow: id,
    history: [
      {
        v: 4,
        at: day(3).getTime(),
        to: 'provisioning',
        cause: 'adopted',
        attempt: 1,
        instances: ['i-1', 'i-2'],
      },
    ],
  })
  const other = await insertCancelled('p-2', day(1), day(3))
  await insertCancelled('p-2', day(1), day(2, -1))
  await insertCancelled('p-2', day(4), day(5))
  const [messages, strangers] = [await bind('late'), await bind('stranger')]

  expect(await replay('late', { from: day(2), to: day(4) })).toBe(6)
  await eventually(() => expect(messages).toHaveLength(6))
  const seen = messages.map(({ content }) => readEvent(content.toString()))
  const kindsOf = (requestId: string) =>
    seen.filter(({ data }) => data.request_id === requestId).map(({ kind, subject }) => subject ?? kind)
  expect(kindsOf(`order-${id}`)).toEqual([
    'request.uncertain',
    'request.dispatched',
    'i-1',
    'i-2',
    'request.completed',
  ])
  expect(kindsOf(`order-${other}`)).toEqual(['request.completed'])
  expect(seen.map((event) => event.id)).toEqual(messages.map(({ properties }) => properties.messageId))
  expect(strangers).toEqual([])
})

test('project, request and kinds choose among them', async () => {
  const [first, second] = [
    await insertCancelled('p-3', day(1), day(3)),
    await insertCancelled('p-3', day(1), day(3)),
  ]
  const messages = await bind('chosen')
  /** The request ids and kinds of what these conditions choose. */
  const chosenBy = async (conditions: Omit<PastEvents, 'from' | 'to'>) => {
    messages.splice(0)
    const sent = await replay('chosen', { from: day(1), to: day(30), ...conditions })
    await eventually(() => expect(messages).toHaveLength(sent))
    const events = messages.map(({ content }) => readEvent(content.toString()))
    return events.map(({ kind, data }) => `${data.request_id} ${kind}`).toSorted()
  }
  expect(await chosenBy({ projectId: 'p-3', requestId: `order-${first}` })).toEqual([
    `order-${first} request.accepted`,
    `order-${first} request.completed`,
  ])
  expect(await chosenBy({ projectId: 'p-3', kinds: new Set(['request.completed']) })).toEqual([
    `order-${first} request.completed`,
    `order-${second} request.completed`,
  ])
})

test('without a queue for the target it is refused', async () => {
  await insertCancelled('p-4', day(1), day(3))
  await expect(replay('nobody', { from: day(1), to: day(30) })).rejects.toThrow(
    'no queue is bound to provision.replay with the key "nobody"',
  )
})
