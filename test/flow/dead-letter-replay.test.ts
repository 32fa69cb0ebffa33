import { expect, test } from 'vitest'
import { DEAD_LETTER_QUEUE } from '../../src/amqp/topology.ts'
import { startAppProcess } from '../support/app-process.ts'
import { createAppWorld } from '../support/app-world.ts'
import { placeLetters, takeLetters } from '../support/dead-letters.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest } from '../support/request-builder.ts'
import { endedRun, post, readRun } from '../support/runs.ts'

const REASON = 'replicas were restarted too often'
const LETTERS = Number(process.env.REPLAYED_LETTERS ?? 300)
const PER_SECOND = Number(process.env.REPLAYED_PER_SECOND ?? 100)
const KILLS = Number(process.env.REPLAY_KILLS ?? 2)

test('letters of one code go back to the request queue, the others stay as they are', async () => {
  await using world = await createAppWorld({ consumers: false })
  const app = await world.startApp()
  const project = world.newProject()
  const order = (request_id: string) => buildRequest({ project_id: project, request_id })
  await placeLetters(world.broker.url, [
    { body: Buffer.from('{'), code: 'invalid_json', messageId: 'other-1', headers: { own: [1] } },
    { body: order('a'), code: 'delivery_limit', messageId: 'm-a' },
    { body: { project_id: project, request_id: 'bad' }, code: 'delivery_limit', messageId: 'bad' },
    { body: order('b'), code: 'delivery_limit' },
    { body: order('c'), code: 'delivery_limit' },
    { body: 'x', code: 'invalid_json', messageId: 'other-2' },
  ])

  const asked = { code: 'delivery_limit', max: 3, per_second: 1000, reason: REASON }
  const { status, body } = await post(app.url, '/operations/dead-letters/replay', asked)
  expect([status, body.kind, body.params]).toEqual([
    202,
    'dead_letters',
    { code: 'delivery_limit', max: 3, per_second: 1000 },
  ])
  expect(await endedRun(app.url, body.id)).toMatchObject({ state: 'done', done: 3, total: 6, error: null })
  for (const requestId of ['a', 'b']) await world.ended({ projectId: project, requestId })
  // The one that is invalid is a letter again, and in the index.
  const index = await eventually(async () => {
    const list = await world.get<{ in_queue: number; letters: { code: string }[] }>(
      '/operations/dead-letters',
    )
    expect(list.body).toMatchObject({
      in_queue: 4,
      letters: [{ code: 'invalid_request', request_id: 'bad' }],
    })
    return list.body
  })
  expect(index.letters).toHaveLength(1)
  const audit = await world.get<{ entries: unknown[] }>('/operations/audit')
  expect(audit.body.entries).toMatchObject([
    {
      verb: 'dead_letters.replay',
      target: body.id,
      reason: REASON,
      after: { code: 'delivery_limit', max: 3 },
    },
  ])

  // A letter whose row is known is marked in it.
  const again = await post(app.url, '/operations/dead-letters/replay', { ...asked, code: 'invalid_request' })
  await endedRun(app.url, again.body.id)
  await eventually(async () => {
    const { letters } = (
      await world.get<{ letters: { replayed_at: string | null }[] }>('/operations/dead-letters')
    ).body
    expect(letters.map(({ replayed_at }) => replayed_at !== null)).toEqual([false, true])
  })
  await app.stop()

  const left = await takeLetters(world.broker.url)
  const named = left.map(({ properties }) => [properties.messageId, properties.headers?.['x-rejection-code']])
  expect(named.toSorted()).toEqual(
    [
      ['bad', 'invalid_request'],
      [undefined, 'delivery_limit'],
      ['other-1', 'invalid_json'],
      ['other-2', 'invalid_json'],
    ].toSorted(),
  )
  const other = left.find(({ properties }) => properties.messageId === 'other-1')
  const { 'x-delivery-count': _, ...headers } = other?.properties.headers ?? {}
  expect([String(other?.content), headers]).toEqual([
    '{',
    {
      own: [1],
      'x-rejection-code': 'invalid_json',
      'x-rejection-detail': '[]',
      'x-rejected-at': '1970-01-01T00:00:00.000Z',
    },
  ])
})

test('orders that were rejected by a setting are carried out once it is corrected', async () => {
  await using world = await createAppWorld({ consumers: false })
  const project = world.newProject()
  const strict = await world.startApp({ PROJECTS: 'another' })
  const keys = [await world.order({ project_id: project }), await world.order({ project_id: project })]
  type List = { in_queue: number; letters: { request_id: string; replayed_at: string | null }[] }
  const lettersAt = async (url: string) => (await world.get<List>('/operations/dead-letters', url)).body
  await eventually(async () => expect((await lettersAt(strict.url)).in_queue).toBe(2))
  await strict.stop()

  const { url } = await world.startApp()
  const asked = { code: 'project_not_allowed', max: 10, per_second: 100, reason: REASON }
  const { body } = await post(url, '/operations/dead-letters/replay', asked)
  expect(await endedRun(url, body.id)).toMatchObject({ state: 'done', done: 2, total: 2 })
  for (const { projectId, requestId } of keys)
    await eventually(async () => {
      const rows = await world.database.query(
        'SELECT state FROM provision_request WHERE project_id = $1 AND request_id = $2',
        [projectId, requestId],
      )
      expect(rows).toEqual([{ state: 'running' }])
    })
  const { in_queue, letters } = await lettersAt(url)
  expect(in_queue).toBe(0)
  expect(letters.map(({ replayed_at }) => replayed_at)).toEqual([expect.any(String), expect.any(String)])
})

test('an empty queue is replayed at once, and what is not clear is refused', async () => {
  await using world = await createAppWorld({ consumers: false })
  const { url } = await world.startApp()
  const asked = { code: 'delivery_limit', max: 10, per_second: 10, reason: REASON }
  const path = '/operations/dead-letters/replay'
  const { body } = await post(url, path, asked)
  expect(await endedRun(url, body.id)).toMatchObject({ state: 'done', done: 0, total: 0, passed_over: 0 })
  const faulty = [{ code: 'nonsense' }, { max: 0 }, { per_second: 0 }, { reason: 'short' }, { all: true }]
  for (const fault of faulty) expect((await post(url, path, { ...asked, ...fault })).status).toBe(400)
  expect((await world.get('/operations/runs/019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa')).status).toBe(404)
})

test('a run that is stopped leaves the letters that it has not come to', async () => {
  await using world = await createAppWorld({ consumers: false })
  const { url } = await world.startApp()
  const letters = Array.from({ length: 20 }, (_, n) => ({ body: `{${n}`, code: 'invalid_json' }))
  await placeLetters(world.broker.url, letters)
  const asked = { code: 'invalid_json', max: 20, per_second: 0.001, reason: REASON }
  const { body } = await post(url, '/operations/dead-letters/replay', asked)
  await eventually(async () => expect((await readRun(url, body.id)).state).toBe('running'))

  const path = (id: string) => `${url}/operations/runs/${id}?reason=${encodeURIComponent('the wrong code')}`
  const stop = (id: string) => fetch(path(id), { method: 'DELETE' })
  const stopped = await stop(body.id)
  const error = 'stopped by open: the wrong code'
  expect([stopped.status, await stopped.json()]).toMatchObject([200, { id: body.id, state: 'failed', error }])
  expect((await stop(body.id)).status).toBe(409)
  expect((await stop('019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa')).status).toBe(404)
  const audit = await world.get<{ entries: unknown[] }>('/operations/audit')
  expect(audit.body.entries[0]).toMatchObject({ verb: 'run.stop', target: body.id, reason: 'the wrong code' })

  // The next run has its turn, and finds all letters but the one that had left.
  const next = await post(url, '/operations/dead-letters/replay', { ...asked, code: 'delivery_limit' })
  expect(await endedRun(url, next.body.id)).toMatchObject({ state: 'done', done: 0 })
  expect((await readRun(url, body.id)).error).toBe(error)
})

test('a process that only answers leaves the run to those that work', async () => {
  await using world = await createAppWorld({ consumers: false })
  const { url } = await world.startApp({ ROLES: 'api' })
  await world.startApp({ ROLES: 'intake,dispatch,readiness,outbox,maintenance' })
  await placeLetters(world.broker.url, [{ body: '{', code: 'invalid_json' }])
  const asked = { code: 'invalid_json', max: 10, per_second: 10, reason: REASON }
  const { body } = await post(url, '/operations/dead-letters/replay', asked)
  expect(await endedRun(url, body.id)).toMatchObject({ state: 'done', done: 1 })
})

/** Kills come while the run is in progress: a replica in a process of its own has the duty until it is killed. */
test('a run that is killed again and again loses nothing, and orders nothing twice', async () => {
  await using world = await createAppWorld({ consumers: false, simulator: { serversPerProject: LETTERS } })
  const project = world.newProject()
  const settings = { RATE_LIMIT_PER_SECOND: '10000', RATE_LIMIT_BURST: '20000', DISPATCH_CONCURRENCY: '64' }
  const environment = { ...world.environment, ...settings, LOG_LEVEL: 'info' }
  let app = await startAppProcess(environment)
  world.defer(() => app.kill())
  await app.ready()
  const letters = Array.from({ length: LETTERS }, (_, n) => ({
    body: buildRequest({ project_id: project, request_id: `order-${n}` }),
    code: n % 9 === 8 ? 'invalid_json' : 'delivery_limit',
  }))
  await placeLetters(world.broker.url, letters)
  const wanted = letters.filter(({ code }) => code === 'delivery_limit').length
  const asked = { code: 'delivery_limit', max: LETTERS, per_second: PER_SECOND, reason: REASON }
  const { body } = await post(app.url, '/operations/dead-letters/replay', asked)

  for (let kill = 1; kill <= KILLS; kill += 1) {
    await eventually(async () => {
      const { done } = await readRun(app.url, body.id)
      expect(done).toBeGreaterThan((wanted * kill) / (KILLS + 2))
    })
    await app.kill()
    app = await startAppProcess(environment)
    await app.ready()
  }
  const run = await endedRun(app.url, body.id)
  expect(run).toMatchObject({ state: 'done', total: LETTERS, error: null })
  const rows = () =>
    world.database.query<{ requests: number; open: number }>(
      `SELECT count(*)::int AS requests, count(*) FILTER (WHERE completed_at IS NULL)::int AS open
       FROM provision_request`,
    )
  await eventually(async () => expect(await rows()).toEqual([{ requests: wanted, open: 0 }]), {
    timeoutMs: 120_000,
  })
  const orders = world.creations(project).flatMap((call) => call.instance_ids)
  expect(orders).toHaveLength(wanted)
  await app.kill()

  const left = await takeLetters(world.broker.url)
  const idOf = (content: Buffer) => JSON.parse(String(content)).request_id as string
  expect(new Set(left.map(({ content }) => idOf(content))).size).toBe(LETTERS - wanted)
  expect(new Set(left.map(({ properties }) => properties.headers?.['x-rejection-code']))).toEqual(
    new Set(['invalid_json']),
  )
  expect(await world.broker.depth(DEAD_LETTER_QUEUE)).toBe(0)
})
