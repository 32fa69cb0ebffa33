import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase, type Sql } from '../../src/database/database.ts'
import { createAppWorld } from '../support/app-world.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const POOL_SIZE = 4
const SILENCE = 'the connection to the database has gone silent'

async function proxyOf(url: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(url)
  return createTcpProxy({ target: { host: hostname, port: Number(port) } })
}

/** A database behind a proxy, with all connections of its pool open. A silence is looked into after 300 ms. */
async function openDatabase() {
  const created = await createTestDatabase()
  const proxy = await proxyOf(created.url)
  const database = createDatabase({
    url: proxy.through(created.url),
    poolSize: POOL_SIZE,
    logger: pino({ level: 'silent' }),
    silentMs: 300,
  })
  onTestFinished(async () => {
    await database.close()
    await proxy.close()
    await created.drop()
  })
  /** Runs the work in so many transactions at the same time. */
  const atOnce = async (work: (sql: Sql) => Promise<unknown> = async () => undefined) => {
    const all = Promise.withResolvers<void>()
    let begun = 0
    const hold = async (sql: Sql) => {
      begun += 1
      if (begun === POOL_SIZE) all.resolve()
      await all.promise
      return work(sql)
    }
    return Promise.allSettled(Array.from({ length: POOL_SIZE }, () => database.transaction(hold)))
  }
  await atOnce()
  expect(proxy.connections()).toBeGreaterThanOrEqual(POOL_SIZE)
  return { created, database, proxy, atOnce }
}

test('one statement on a silent connection fails, and those that were idle are not used again', async () => {
  const { database, proxy } = await openDatabase()
  proxy.strand()
  await expect(database.query('SELECT 1')).rejects.toThrow(SILENCE)
  for (let use = 0; use < POOL_SIZE; use += 1) {
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
  }
  expect(await database.prisma.provisionRequest.count()).toBe(0)
})

test('statements under way on silent connections fail in transactions, plain reads and single statements', async () => {
  const { database, proxy, atOnce } = await openDatabase()
  const transactions = await atOnce(async (sql) => {
    proxy.strand()
    await sql.query('SELECT 1')
  })
  for (const result of transactions) {
    expect(result).toMatchObject({ status: 'rejected', reason: { message: SILENCE } })
  }
  await database.query('SELECT 1')
  proxy.strand()
  await expect(database.prisma.provisionRequest.count()).rejects.toThrow()
  expect(await database.prisma.provisionRequest.count()).toBe(0)
})

test('an answer that was lost on its way fails too', async () => {
  const { created, database, proxy } = await openDatabase()
  await created.query('CREATE TABLE mark (id int)')
  proxy.freeze('down')
  const lost = database.query('INSERT INTO mark VALUES (1)')
  await eventually(async () => expect(await created.query('SELECT FROM mark')).toHaveLength(1))
  proxy.strand()
  proxy.pass()
  await expect(lost).rejects.toThrow(SILENCE)
})

test('the locks of a transaction on a silent connection are let go', async () => {
  const { created, database, proxy } = await openDatabase()
  await created.query('CREATE TABLE held AS SELECT 1 AS id')
  let heir: Promise<unknown> | undefined
  const lost = database.transaction(async (sql) => {
    await sql.query(
      "SELECT set_config('idle_in_transaction_session_timeout', '0', true) FROM held FOR UPDATE",
    )
    heir = created.query('SELECT id FROM held FOR UPDATE')
    proxy.strand()
    await sql.query('SELECT 1')
  })
  await expect(lost).rejects.toThrow(SILENCE)
  expect(await heir).toEqual([{ id: 1 }])
})

test('a statement that is slow or waits for a lock is left alone', async () => {
  const { created, database } = await openDatabase()
  await created.query('CREATE TABLE held AS SELECT 1 AS id')
  let waiting: Promise<unknown> | undefined
  await database.transaction(async (sql) => {
    await sql.query('SELECT FROM held FOR UPDATE')
    waiting = database.query('SELECT id FROM held FOR UPDATE')
    await sql.query('SELECT pg_sleep(2)')
  })
  expect(await waiting).toEqual([{ id: 1 }])
})

test('the service goes on when its connections to PostgreSQL have gone silent and new ones work', async () => {
  const world = await createAppWorld()
  onTestFinished(() => world.close())
  const proxy = await proxyOf(world.database.url)
  world.defer(proxy.close)
  const app = await world.startApp({ DATABASE_URL: proxy.through(world.database.url) })
  const project = world.newProject()
  expect((await world.ended(await world.order({ project_id: project }))).state).toBe('running')
  proxy.strand()
  const key = await world.order({ project_id: project })
  expect((await world.ended(key)).state).toBe('running')
  expect(world.creations(project)).toHaveLength(2)
  // What found none of the silent connections in its way may be over before they are found.
  await eventually(() => expect(app.log()).toContain('dropped silent database connections'))
  expect(app.log()).not.toContain('Query read timeout')
})
