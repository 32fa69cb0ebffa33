import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { wakeProjects } from '../../src/budget/wake-projects.sql.ts'
import type { Database, Sql } from '../../src/database/database.ts'
import { createDatabase } from '../../src/database/database.ts'
import { findSleepingProjects } from '../../src/dispatch/due-sweeps.sql.ts'
import { createRequestStore } from '../../src/intake/request-store.ts'
import { silentLogger } from '../support/clouddc-client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables } from '../support/store-database.ts'
import {
  buildNewRequest,
  claim,
  openConnection,
  placeRequests,
  readBucket,
  setBucket,
} from './statement-world.ts'

/** Whoever holds it holds up the clock of the statements on `delayed`, after they have taken their snapshot. */
const GATE = 4711

let created: TestDatabase
let database: Database
let delayed: Sql & { close(): Promise<void> }
let holder: Sql & { close(): Promise<void> }

beforeAll(async () => {
  created = await createTestDatabase()
  database = createDatabase({ url: created.url, poolSize: 4, logger: silentLogger })
  await database.query('CREATE SCHEMA held_up')
  await database.query(
    `CREATE FUNCTION held_up.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
     BEGIN
       PERFORM pg_advisory_lock(${GATE});
       PERFORM pg_advisory_unlock(${GATE});
       RETURN pg_catalog.clock_timestamp();
     END $$`,
  )
  delayed = await openConnection(created.url)
  await delayed.query('SET search_path = held_up, public, pg_catalog')
  holder = await openConnection(created.url)
})
afterAll(async () => {
  await Promise.all([delayed.close(), holder.close(), database.close()])
  await created.drop()
})
beforeEach(() => clearTables(database))

/** A claim that sees the tables as they are now, and goes on only when `meanwhile` is done. */
async function claimAround(meanwhile: () => Promise<unknown>) {
  await holder.query('SELECT pg_advisory_lock($1)', GATE)
  const claiming = claim(delayed)
  await eventually(async () => {
    const [row] = await holder.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
    )
    expect(row?.waiting).toBe(1)
  })
  await meanwhile()
  await holder.query('SELECT pg_advisory_unlock($1)', GATE)
  return claiming
}

const open = () => setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })

const eligible = async () => (await claim(database)).requests.length

test('a bucket goes to sleep when a claim has seen all its work', async () => {
  await placeRequests(database, { count: 3 })
  await open()
  const { requests, asleep } = await claimAround(async () => undefined)
  expect(requests).toHaveLength(3)
  expect(asleep).toEqual(['p'])
  expect(await wakeProjects(database, asleep)).toEqual([])
  expect((await readBucket(database)).dueAt).toBeNull()
})

test('work that is stored while a claim runs is found by the look after the claim', async () => {
  await placeRequests(database, { count: 1 })
  await open()
  const { requests, asleep } = await claimAround(() => placeRequests(database, { count: 2 }))
  expect(requests).toHaveLength(1)
  expect((await readBucket(database)).dueAt).toBeNull()
  expect(await wakeProjects(database, asleep)).toEqual(['p'])
  expect(await eligible()).toBe(2)
})

test('also when the queue was empty as far as the claim could see', async () => {
  await placeRequests(database, { count: 1 })
  await open()
  await claim(database)
  await open()
  const { requests, asleep } = await claimAround(() => placeRequests(database, { count: 1 }))
  expect(requests).toEqual([])
  expect(await wakeProjects(database, asleep)).toEqual(['p'])
  expect(await eligible()).toBe(1)
})

test('work that is committed only after the claim has looked is found by the look after the store', async () => {
  await placeRequests(database, { count: 1 })
  await open()
  const writer = await openConnection(created.url)
  try {
    await writer.query('BEGIN')
    // Its look comes before the commit here, and sees nothing to wake.
    await placeRequests({ ...database, query: writer.query, throughPrisma: writer }, { count: 1 })
    // A store under way holds up no claim.
    const { requests, asleep } = await claim(database)
    expect(requests).toHaveLength(1)
    expect(await wakeProjects(database, asleep)).toEqual([])
    await writer.query('COMMIT')
  } finally {
    await writer.close()
  }
  expect(await eligible()).toBe(0)
  expect(await wakeProjects(database, ['p'])).toEqual(['p'])
  expect(await eligible()).toBe(1)
})

test('storing wakes a project that sleeps, at once', async () => {
  await placeRequests(database, { count: 1 })
  await open()
  await claim(database)
  expect((await readBucket(database)).dueAt).toBeNull()
  await placeRequests(database, { count: 1 })
  expect((await readBucket(database)).dueAt).not.toBeNull()
})

test('storing again what an earlier try has stored wakes its project too', async () => {
  const store = createRequestStore({ database, limitOf: () => ({ perSecond: 10, burst: 20 }) })
  const rows = [buildNewRequest()]
  await store.insertRequests(rows)
  await setBucket(database, 'p', { due_at: 'NULL' })
  expect(await store.insertRequests(rows)).toMatchObject([{ kind: 'existing' }])
  expect((await readBucket(database)).dueAt).not.toBeNull()
})

test('requests that nobody may dispatch wake no project', async () => {
  await placeRequests(database, { count: 1, deadline: new Date(Date.now() - 1000) })
  await setBucket(database, 'p', { due_at: 'NULL' })
  expect(await wakeProjects(database, ['p'])).toEqual([])
})

test('a project that somebody else works on does not hold up the others', async () => {
  for (const projectId of ['a', 'b']) await placeRequests(database, { projectId, count: 1 })
  const other = await openConnection(created.url)
  try {
    await other.query('BEGIN')
    await other.query(`SELECT * FROM rate_bucket WHERE project_id = 'a' FOR UPDATE`)
    const { requests } = await claim(database)
    expect(requests.map((request) => request.projectId)).toEqual(['b'])
    await other.query('ROLLBACK')
  } finally {
    await other.close()
  }
  expect((await claim(database)).requests.map((request) => request.projectId)).toEqual(['a'])
})

test('a bucket that sleeps over work is found', async () => {
  await placeRequests(database, { projectId: 'a' })
  await placeRequests(database, { projectId: 'b' })
  await setBucket(database, 'a', { due_at: 'NULL' })
  expect(await findSleepingProjects(database)).toEqual(['a'])
})
