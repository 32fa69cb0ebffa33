import { connect } from 'amqplib'
import { expect, test } from 'vitest'
import { startAppProcess } from '../support/app-process.ts'
import { createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { receiveReplay } from '../support/replay.ts'
import { insertRequestRow } from '../support/request-rows.ts'
import { endedRun, post, readRun } from '../support/runs.ts'

const REASON = 'the consumer lost its queue'
const PATH = '/operations/events/replay'
const asked = { target: 'billing', from: '2026-01-01T00:00:00Z', per_second: 1000, reason: REASON }

/** A connection beside the service, for the consumer of a replay. */
async function openChannel(url: string) {
  const connection = await connect(url)
  return { channel: await connection.createChannel(), close: () => connection.close() }
}

test('past events are sent to the queue that is bound; without one nothing begins', async () => {
  await using world = await createAppWorld()
  const { url } = await world.startApp()
  const project = world.newProject()
  const key = await world.order({ project_id: project })
  await world.allEventsOf(key)

  const refused = await post(url, PATH, asked)
  expect([refused.status, refused.body.code]).toEqual([409, 'no_queue'])
  expect((await world.get('/operations/audit')).body).toMatchObject({ entries: [] })

  const { channel, close } = await openChannel(world.broker.url)
  world.defer(close)
  const messages = await receiveReplay(channel, 'billing')
  const { status, body } = await post(url, PATH, {
    ...asked,
    project_id: project,
    kinds: ['request.completed'],
  })
  expect([status, body.kind, body.params]).toMatchObject([
    202,
    'events',
    { target: 'billing', project_id: project },
  ])
  expect(await endedRun(url, body.id)).toMatchObject({ state: 'done', done: 1 })
  await eventually(() => expect(messages).toHaveLength(2))
  const last = world.eventsOf(key).at(-1)
  // The first of them was to learn whether a queue is bound.
  expect(messages.map(({ properties }) => properties.messageId)).toEqual([last?.id, last?.id])
  expect((await world.get('/operations/audit')).body).toMatchObject({
    entries: [{ verb: 'events.replay', project_id: project, target: body.id, reason: REASON }],
  })

  const faulty = [{ from: 'yesterday' }, { kinds: ['request.rejected'] }, { request_id: 'r' }, { target: '' }]
  for (const fault of faulty) expect((await post(url, PATH, { ...asked, ...fault })).status).toBe(400)
})

test('a run that is killed goes on where it was, each event at least once and in order per request', async () => {
  await using world = await createAppWorld({ consumers: false })
  const { channel, close } = await openChannel(world.broker.url)
  world.defer(close)
  const messages = await receiveReplay(channel, 'billing')
  let app = await startAppProcess(world.environment)
  world.defer(() => app.kill())
  await app.ready()
  const at = new Date('2026-05-01T00:00:00Z')
  const sql = { query: <Row>(text: string, ...values: unknown[]) => world.database.query<Row>(text, values) }
  const REQUESTS = 400
  for (let n = 0; n < REQUESTS; n += 1) {
    const history = [
      { v: 1, at: at.getTime(), to: 'queued', cause: 'accepted' },
      { v: 2, at: at.getTime() + 1, to: 'cancelled', cause: 'cancelled' },
    ] as const
    await insertRequestRow(sql, {
      state: 'cancelled',
      at: new Date(at.getTime() + 1),
      createdAt: at,
      history,
    })
  }
  const { body } = await post(app.url, PATH, { ...asked, per_second: 200 })
  await eventually(async () => expect((await readRun(app.url, body.id)).done).toBeGreaterThan(200))
  await app.kill()
  const before = messages.length
  app = await startAppProcess(world.environment)
  await app.ready()
  const run = await endedRun(app.url, body.id)
  expect(run).toMatchObject({ state: 'done', error: null })
  expect(before).toBeLessThan(2 * REQUESTS)
  // What was sent and not yet recorded is sent again; the rest is not.
  expect(messages.length).toBeLessThan(3 * REQUESTS)
  const kinds = new Map<string, string[]>()
  for (const { content } of messages) {
    const { type, source } = JSON.parse(String(content)) as { type: string; source: string }
    kinds.set(source, [...(kinds.get(source) ?? []), type])
  }
  expect(kinds.size).toBe(REQUESTS)
  for (const types of kinds.values()) {
    expect(types[0]).toBe('provisioner.request.accepted')
    expect(types.at(-1)).toBe('provisioner.request.completed')
  }
})

test('where nothing happened in that time, a run ends with nothing sent', async () => {
  await using world = await createAppWorld({ consumers: false })
  const { url } = await world.startApp()
  const { status, body } = await post(url, PATH, { ...asked, to: '2026-01-02T00:00:00Z' })
  expect(status).toBe(202)
  expect(await endedRun(url, body.id)).toMatchObject({ state: 'done', done: 0 })
})
