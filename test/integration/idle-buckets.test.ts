import { beforeEach, describe, expect, test } from 'vitest'
import { insertRequests } from '../../src/intake/insert-requests.sql.ts'
import { deleteIdleBuckets, markIdleBuckets } from '../../src/retention/idle-buckets.sql.ts'
import { eventually } from '../support/eventually.ts'
import { insertLookRow, insertPollRow, insertRequestRow } from '../support/request-rows.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { buildNewRequest, placeRequests, readBucket, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const HOUR = { idleMs: 3_600_000, limit: 100 }
const mark = () => markIdleBuckets(database, HOUR)
const remove = (sql: Parameters<typeof deleteIdleBuckets>[0] = database) =>
  deleteIdleBuckets(sql, { ...HOUR, keptForMs: 0 })
const projects = async () =>
  (await database.prisma.rateBucket.findMany({ orderBy: { projectId: 'asc' } })).map((row) => row.projectId)

/** The bucket of a project all of whose requests ended two hours ago. */
async function placeIdle(projectId: string): Promise<void> {
  await placeRequests(database, { projectId })
  await database.query('DELETE FROM provision_request WHERE project_id = $1', projectId)
  await setBucket(database, projectId, { due_at: 'NULL', refilled_at: `now() - interval '2 hours'` })
}

describe('the bucket of a project that orders nothing', () => {
  test('goes, in two steps', async () => {
    await placeIdle('p')
    expect([await remove(), await mark(), await mark()]).toEqual([0, 1, 0])
    expect(await deleteIdleBuckets(database, { ...HOUR, keptForMs: 60_000 })).toBe(0)
    expect([await remove(), await projects()]).toEqual([1, []])
  })

  test('stays while anything is open, pending or to be looked for, while it is used, closed, slowed or not full', async () => {
    const all = ['open', 'pending', 'doubt', 'used', 'closed', 'slowed', 'filling', 'awake']
    for (const projectId of [...all, 'was-closed']) await placeIdle(projectId)
    await insertRequestRow(database, { projectId: 'open', state: 'provisioning' })
    await insertPollRow(database, { projectId: 'pending', instanceIds: ['i-1'], dueAt: new Date() })
    const ended = await insertRequestRow(database, { projectId: 'doubt', state: 'running' })
    await insertLookRow(database, {
      requestRow: ended,
      projectId: 'doubt',
      purpose: 'audit',
      dueAt: new Date(),
    })
    await setBucket(database, 'used', { refilled_at: 'now()' })
    const closed = { blocked_reason: `'throttled'`, troubles: '3' }
    await setBucket(database, 'closed', { ...closed, blocked_until: `now() - interval '1 minute'` })
    await setBucket(database, 'was-closed', { ...closed, blocked_until: `now() - interval '2 hours'` })
    await setBucket(database, 'slowed', { rate_factor: '0.5' })
    await setBucket(database, 'filling', { tokens: '0', refill_per_second: '0.0001' })
    await setBucket(database, 'awake', { due_at: 'now()' })
    expect([await mark(), await remove()]).toEqual([1, 1])
    expect(await projects()).toEqual(all.toSorted())
  })

  test('stays when a request came between the two steps, and loses the mark', async () => {
    await placeIdle('p')
    await mark()
    await placeRequests(database, { projectId: 'p' })
    const row = await database.prisma.rateBucket.findUniqueOrThrow({ where: { projectId: 'p' } })
    expect([row.retiringAt, row.dueAt === null]).toEqual([null, false])
    expect(await remove()).toBe(0)
  })
})

describe('a request that comes with the second step', () => {
  const limits = [{ projectId: 'p', credentialId: 'none', refillPerSecond: 5, capacity: 10 }]
  const row = () => {
    const { contentDigest, sealedPassword, ...request } = buildNewRequest({ projectId: 'p' })
    const bytes = {
      contentDigest: contentDigest.toString('base64'),
      sealedPassword: sealedPassword.toString('base64'),
    }
    return { ...request, ...bytes }
  }

  test('a moment before it, keeps the bucket', async () => {
    await placeIdle('p')
    await mark()
    await database.transaction(async (sql) => {
      await insertRequests({ throughPrisma: sql }, [row()], limits)
      expect(await remove()).toBe(0)
    })
    expect([await remove(), await projects()]).toEqual([0, ['p']])
  })

  test('a moment after it, waits for it and makes a new bucket', async () => {
    await placeIdle('p')
    await mark()
    const inserted: Promise<unknown>[] = []
    await database.transaction(async (sql) => {
      expect(await remove({ throughPrisma: sql })).toBe(1)
      inserted.push(placeRequests(database, { projectId: 'p' }))
      await eventually(async () => {
        const waiting = await database.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
        expect(waiting).toHaveLength(1)
      })
    })
    await Promise.all(inserted)
    expect(await readBucket(database)).toMatchObject({ tokens: 1, blockedReason: null })
    expect((await readBucket(database)).dueAt).not.toBeNull()
  })
})

test('an insert locks no bucket that is in use', async () => {
  await placeRequests(database, { projectId: 'p' })
  await database.transaction(async (sql) => {
    await sql.query(`SELECT 1 FROM rate_bucket WHERE project_id = 'p' FOR UPDATE`)
    await placeRequests(database, { projectId: 'p' })
  })
  expect(await database.prisma.provisionRequest.count()).toBe(2)
})
