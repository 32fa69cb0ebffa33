import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../../src/database/migrate.ts'
import { openMessaging } from '../support/app-messaging.ts'
import { type AppWorld, createAppWorld, type RequestKey, type RunningApp } from '../support/app-world.ts'
import { createTestBroker } from '../support/broker.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest } from '../support/request-builder.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let world: AppWorld
let app: RunningApp
let postgres: TcpProxy
let rabbitmq: TcpProxy

/** A proxy in front of what the URL names. */
async function proxyOf(url: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(url)
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } })
  world.defer(proxy.close)
  return proxy
}

beforeAll(async () => {
  world = await createAppWorld()
  postgres = await proxyOf(world.database.url)
  rabbitmq = await proxyOf(world.broker.url)
  app = await world.startApp({
    DATABASE_URL: postgres.through(world.database.url),
    AMQP_URL: rabbitmq.through(world.broker.url),
  })
})
afterAll(() => world.close())

const goDown = (proxy: TcpProxy) => {
  proxy.refuse()
  proxy.cut()
}

const place = (project_id: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => world.order({ project_id })))

/** Every request has run, by one creation each, and has told all of it in order. */
async function expectAllDone(keys: readonly RequestKey[]): Promise<void> {
  for (const key of keys) {
    expect((await world.ended(key)).state).toBe('running')
    const kinds = (await world.allEventsOf(key)).map((event) => event.kind)
    expect(kinds.filter((kind) => kind !== 'request.uncertain')).toEqual([
      'request.accepted',
      'request.dispatched',
      'instance.running',
      'request.completed',
    ])
  }
  for (const [project, own] of Map.groupBy(keys, (key) => key.projectId)) {
    expect(world.creations(project)).toHaveLength(own.length)
  }
}

/** What /readyz finds wrong. */
const unready = async () => {
  const { status, body } = await world.get<{ errors?: { path: string }[] }>('/readyz')
  return status === 200 ? [] : (body.errors ?? []).map((error) => error.path)
}

describe('a database that is unreachable for a while', () => {
  test('loses nothing, orders nothing twice, and is told by /readyz', async () => {
    const project = world.newProject()
    const before = await place(project, 10)
    goDown(postgres)
    await eventually(async () => expect(await unready()).toContain('database'))
    const during = await place(project, 10)
    postgres.pass()
    await eventually(async () => expect(await unready()).toEqual([]))
    const after = await place(project, 5)
    await expectAllDone([...before, ...during, ...after])
    expect(world.deadLetters()).toEqual([])
  })

  test('that cuts its connections again and again neither', async () => {
    const project = world.newProject()
    const keys: RequestKey[] = []
    for (let round = 0; round < 5; round += 1) {
      const accepted = world.copies().length
      keys.push(...(await place(project, 6)))
      await eventually(() => expect(world.copies().length).toBeGreaterThan(accepted))
      postgres.cut()
    }
    await expectAllDone(keys)
  })

  test('that does not answer neither', async () => {
    const project = world.newProject()
    const keys = await place(project, 5)
    postgres.freeze('down')
    keys.push(...(await place(project, 5)))
    await eventually(async () => expect(await unready()).toContain('database'))
    postgres.cut()
    postgres.pass()
    await expectAllDone(keys)
  })
})

describe('a broker that is unreachable for a while', () => {
  test('loses no message and no event', async () => {
    const project = world.newProject()
    const before = await place(project, 10)
    goDown(rabbitmq)
    await eventually(async () => expect(await unready()).toContain('broker'))
    const during = await place(project, 10)
    rabbitmq.pass()
    await eventually(async () => expect(await unready()).toEqual([]))
    await expectAllDone([...before, ...during])
  })

  test('that cuts its connections again and again neither', async () => {
    const project = world.newProject()
    const keys: RequestKey[] = []
    for (let round = 0; round < 4; round += 1) {
      const accepted = world.copies().length
      keys.push(...(await place(project, 6)))
      await eventually(() => expect(world.copies().length).toBeGreaterThan(accepted))
      rabbitmq.cut()
    }
    await expectAllDone(keys)
  })

  test('repeats events with the same id, if at all', () => {
    const bodies = new Map<string, string>()
    for (const { messageId = '', body } of world.copies()) {
      expect(bodies.get(messageId) ?? body).toBe(body)
      bodies.set(messageId, body)
    }
  })
})

test('outages are logged when they begin and end, not for each try', () => {
  const warnings = app
    .log()
    .split('\n')
    .filter((line) => line.includes('"level":"warn"'))
  expect(warnings.length).toBeLessThan(200)
})

test('a service that starts before database, broker and migrations are there waits for them', async () => {
  await using database = await createTestDatabase({ empty: true })
  await using broker = await createTestBroker()
  const postgres = await proxyOf(database.url)
  const rabbitmq = await proxyOf(broker.url)
  goDown(postgres)
  goDown(rabbitmq)
  const early = await world.startApp(
    { DATABASE_URL: postgres.through(database.url), AMQP_URL: rabbitmq.through(broker.url) },
    { waitUntilReady: false },
  )
  const reasons = async () => {
    const { status, body } = await world.get<{ errors?: { path: string }[] }>('/readyz', early.url)
    return { status, paths: (body.errors ?? []).map((error) => error.path) }
  }
  expect((await world.get('/healthz', early.url)).status).toBe(200)
  expect((await reasons()).paths).toEqual(expect.arrayContaining(['database', 'broker', 'migrations']))
  rabbitmq.pass()
  postgres.pass()
  await eventually(async () => expect(await reasons()).toEqual({ status: 503, paths: ['migrations'] }))
  await migrate({ databaseUrl: database.url })
  await eventually(async () => expect(await reasons()).toEqual({ status: 200, paths: [] }))

  const messaging = await openMessaging(broker.url)
  try {
    await messaging.publish(buildRequest({ project_id: 'early', request_id: 'first' }))
    await eventually(async () => {
      const { body } = await world.get('/v1/early/provision-requests/first', early.url)
      expect(body).toMatchObject({ state: 'running' })
    })
  } finally {
    await messaging.close()
    await early.stop()
  }
})
