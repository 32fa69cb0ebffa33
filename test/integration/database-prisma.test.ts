import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase, type Sql } from '../../src/database/database.ts'
import {
  classifyDatabaseError,
  type DatabaseErrorClass,
  isTaken,
  sqlState,
} from '../../src/database/errors.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'

/** A database behind a proxy, with both of its doors, and the classes of all errors that were counted. */
async function openDatabase() {
  const created = await createTestDatabase()
  const { hostname, port } = new URL(created.url)
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } })
  const counted: DatabaseErrorClass[] = []
  const database = createDatabase({
    url: proxy.through(created.url),
    poolSize: 4,
    logger: pino({ level: 'silent' }),
    onError: (kind) => counted.push(kind),
  })
  onTestFinished(async () => {
    proxy.pass()
    await database.close()
    await proxy.close()
    await created.drop()
  })
  return { database, proxy, counted, doors: [database, database.throughPrisma] as const }
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

const addReplica = (sql: Sql, id: string) =>
  sql.query('INSERT INTO replica (id, started_at, lease_until) VALUES ($1::uuid, now(), now())', id)

test('a statement is the same through either door', async () => {
  const { doors } = await openDatabase()
  const read = (sql: Sql) =>
    sql.query(
      `SELECT j."n" AS "n", j."n" * 1.5::float8 AS "half", $2::timestamptz AS "at", $3::text AS "none", $4::uuid[]::text[] AS "ids"
       FROM json_to_recordset($1::json) AS j("n" int4)`,
      JSON.stringify([{ n: 1 }, { n: 2 }]),
      new Date('2026-11-26T12:00:00.123Z'),
      null,
      ['0198170e-4ca7-7ee4-89a7-fa6318431111'],
    )
  const row = {
    at: new Date('2026-11-26T12:00:00.123Z'),
    none: null,
    ids: ['0198170e-4ca7-7ee4-89a7-fa6318431111'],
  }
  for (const door of doors) {
    expect(await read(door)).toEqual([
      { ...row, n: 1, half: 1.5 },
      { ...row, n: 2, half: 3 },
    ])
  }
})

test('a statement is prepared once per connection, and what Prisma makes up itself is not', async () => {
  const { database } = await openDatabase()
  const text = 'SELECT name AS "name", statement AS "text" FROM pg_prepared_statements WHERE $1::int = 1'
  const prepared = () => database.throughPrisma.query<{ name: string; text: string }>(text, 1)
  await prepared()
  await database.prisma.replica.findMany()
  expect((await prepared()).map((row) => row.text)).toEqual([text])
})

test('a transaction through Prisma is stored whole or not at all', async () => {
  const { database } = await openDatabase()
  const [one, other] = [uuidv7(), uuidv7()]
  await database.prismaTransaction((sql) => addReplica(sql, one))
  const failed = database.prismaTransaction(async (sql) => {
    await addReplica(sql, other)
    await addReplica(sql, one)
  })
  expect(isTaken(await failure(failed))).toBe(true)
  expect(await database.prisma.replica.findMany({ select: { id: true } })).toEqual([{ id: one }])
})

test('what the database refuses is told and counted alike by statements and typed queries', async () => {
  const { database, doors, counted } = await openDatabase()
  const id = uuidv7()
  await addReplica(database, id)
  const lease = { startedAt: new Date(), leaseUntil: new Date() }
  const taken = [
    ...doors.map((door) => addReplica(door, id)),
    database.prisma.replica.create({ data: { id, ...lease } }),
  ]
  for (const error of await Promise.all(taken.map(failure))) {
    expect([isTaken(error), classifyDatabaseError(error)]).toEqual([true, 'rejected'])
  }
  const odd = { projectId: 'p', refillPerSecond: 1, capacity: 1, tokens: 2, refilledAt: new Date() }
  const refused = [
    ...doors.map((door) =>
      door.query(
        `INSERT INTO rate_bucket (project_id, refill_per_second, capacity, tokens, refilled_at) VALUES ('p', 1, 1, 2, now())`,
      ),
    ),
    database.prisma.rateBucket.create({ data: odd }),
  ]
  for (const error of await Promise.all(refused.map(failure))) {
    expect([sqlState(error), classifyDatabaseError(error)]).toEqual(['23514', 'rejected'])
  }
  expect(counted).toEqual(Array(6).fill('rejected'))
})

test('an error quotes no source, and a query that is none is not tried again', async () => {
  const { database } = await openDatabase()
  const lease = { startedAt: new Date(), leaseUntil: new Date() }
  const errors = [
    failure(addReplica(database.throughPrisma, 'no id')),
    failure(database.prisma.replica.create({ data: { id: 'no id', ...lease } })),
    failure(database.prisma.replica.create({ data: { id: {}, ...lease } as never })),
  ]
  for (const error of await Promise.all(errors)) {
    expect(classifyDatabaseError(error)).toBe('rejected')
    expect((error as Error).message).not.toMatch(/\.ts:|→/)
  }
})

test('a lock that is not given is a conflict through either door', async () => {
  const { database, doors, counted } = await openDatabase()
  const id = uuidv7()
  await addReplica(database, id)
  await database.transaction(async (sql) => {
    await sql.query('SELECT 1 FROM replica WHERE id = $1::uuid FOR UPDATE', id)
    for (const door of doors) {
      const error = await failure(
        door.query('SELECT 1 FROM replica WHERE id = $1::uuid FOR UPDATE NOWAIT', id),
      )
      expect(classifyDatabaseError(error)).toBe('conflict')
    }
  })
  expect(counted).toEqual(['conflict', 'conflict'])
})

test.each(['40001', '40P01'])('SQLSTATE %s is a conflict through either door', async (state) => {
  const { database, doors } = await openDatabase()
  await database.query(
    `CREATE FUNCTION fail() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '${state}'; END $$`,
  )
  for (const door of doors) {
    expect(classifyDatabaseError(await failure(door.query('SELECT fail()')))).toBe('conflict')
  }
})

test('an unreachable database may be asked again, whatever was asked for', async () => {
  const { database, proxy, doors, counted } = await openDatabase()
  await Promise.all(doors.map((door) => door.query('SELECT pg_sleep(0)::text')))
  proxy.refuse()
  proxy.cut()
  const works = () => [...doors.map((door) => door.query('SELECT 1')), database.prisma.replica.count()]
  // The first ones may meet a connection that was there, the next ones find none.
  for (let round = 0; round < 2; round += 1) {
    const errors = await Promise.all(works().map(failure))
    expect(errors.map(classifyDatabaseError)).toEqual(Array(3).fill('unavailable'))
  }
  expect(counted).toEqual(Array(6).fill('unavailable'))
})

test('a connection that ends while Prisma waits for its answer makes the outcome unknown', async () => {
  const { database, proxy } = await openDatabase()
  const waiting = failure(database.throughPrisma.query('SELECT pg_sleep(60)::text'))
  const sleeping = () =>
    database.query(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'`)
  await eventually(async () => expect(await sleeping()).toHaveLength(1))
  proxy.cut()
  expect(classifyDatabaseError(await waiting)).toBe('unavailable')
})
