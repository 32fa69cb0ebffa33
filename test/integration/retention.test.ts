import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createRequestStore, type InsertOutcome } from '../../src/intake/request-store.ts'
import { parseHistory } from '../../src/request/history.ts'
import { createRetention, type RetentionOptions } from '../../src/retention/retention.ts'
import { deleteRetiredRequests, keepKeys } from '../../src/retention/retire-requests.sql.ts'
import { NO_FLOW } from '../../src/telemetry/add-flow.sql.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { eventually } from '../support/eventually.ts'
import { insertHistoryPart, insertLookRow, insertRequestRow } from '../support/request-rows.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { tirelessReplica } from '../support/tireless-replica.ts'
import { buildNewRequest, placeRequests } from './statement-world.ts'

const database = await useTestDatabase()
const metrics = createMetrics()
beforeEach(() => clearTables(database))

async function runRetention(changes: Partial<RetentionOptions> = {}): Promise<void> {
  const retention = createRetention({
    database,
    replica: tirelessReplica(),
    retentionDays: 30,
    idempotencyDays: 90,
    keptForMs: 0,
    idleMs: 20,
    metrics,
    logger: pino({ level: 'silent' }),
    ...changes,
  })
  onTestFinished(() => retention.stop())
  await retention.start()
}

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

/** A request that ended, by being cancelled, so many days ago. */
const ended = (days: number, requestId?: string) =>
  insertRequestRow(database, { ...(requestId && { requestId }), state: 'cancelled', at: daysAgo(days) })

/** One that ran, with servers, a long history and an audit that was never carried out. */
async function ran(days: number, ...instanceIds: string[]): Promise<string> {
  const at = daysAgo(days)
  const instances = instanceIds.map((id) => ({ id, state: 'running' as const }))
  const id = await insertRequestRow(database, { state: 'running', at, instances })
  const history = parseHistory(['{"v":1,"at":1,"to":"queued","cause":"accepted"}\n'])
  await insertHistoryPart(database, { requestRow: id, history })
  await insertLookRow(database, { requestRow: id, purpose: 'audit', dueAt: at })
  return id
}

async function insertOutcome(requestId: string): Promise<InsertOutcome | undefined> {
  const store = createRequestStore({ database, limitOf: () => ({ perSecond: 10, burst: 20 }) })
  const [outcome] = await store.insertRequests([buildNewRequest({ requestId })])
  return outcome
}

const countRows = async () => ({
  requests: await database.prisma.provisionRequest.count(),
  instances: await database.prisma.instance.count(),
  parts: await database.prisma.historyPart.count(),
  looks: await database.prisma.look.count(),
  keys: await database.prisma.retiredKey.count(),
})

describe('retention', () => {
  test('deletes what ended long ago with all that belongs to it, in batches, and nothing else', async () => {
    for (let n = 0; n < 7; n += 1) await ended(31)
    await ran(40, 'i-1', 'i-2')
    const [queued = ''] = await placeRequests(database)
    const kept = [await ended(29), await ran(29, 'i-3'), queued]
    await runRetention({ batchSize: 2 })
    await eventually(async () => expect(await countRows()).toMatchObject({ requests: 3, keys: 8 }))
    const left = await database.prisma.provisionRequest.findMany({ select: { id: true } })
    expect(left.map(({ id }) => id).toSorted()).toEqual(kept.toSorted())
    expect(await countRows()).toMatchObject({ instances: 1, parts: 1, looks: 1 })
    expect(await database.prisma.instance.findMany()).toMatchObject([{ id: 'i-3' }])
    // Counted at the end of the pass that has deleted them.
    await eventually(async () => {
      const { values } = await metrics.replica.maintained.get()
      expect(values.find(({ labels }) => labels.duty === 'retire_requests')?.value).toBe(8)
    })
  })

  test('keeps the key: a late duplicate is still a duplicate, with the digests of the first', async () => {
    const id = await ended(31, 'order-1')
    const first = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
    await runRetention()
    await eventually(async () => expect((await countRows()).requests).toBe(0))

    expect(await insertOutcome('order-1')).toEqual({
      kind: 'existing',
      contentDigest: Buffer.from(first.contentDigest),
      passwordDigest: first.passwordDigest,
      sealedPassword: null,
    })
    expect(await countRows()).toMatchObject({ requests: 0, keys: 1 })
    expect(await insertOutcome('order-2')).toEqual({ kind: 'inserted' })
  })

  test('forgets a key in the end', async () => {
    await ended(91, 'order-1')
    await runRetention()
    await eventually(async () => expect(await countRows()).toMatchObject({ requests: 0, keys: 0 }))
    expect(await insertOutcome('order-1')).toEqual({ kind: 'inserted' })
  })

  test('that keeps keys no longer than requests ends all the same', async () => {
    for (let n = 0; n < 3; n += 1) await ended(31)
    await runRetention({ idempotencyDays: 30 })
    await eventually(async () => expect(await countRows()).toMatchObject({ requests: 0, keys: 0 }))
  })
})

describe('a request that ended long ago', () => {
  const old = { olderThanDays: 30, limit: 10, ahead: 100 }
  const deleteOld = (keptForMs = 0) => deleteRetiredRequests(database, { ...old, keptForMs })

  test('has its key stored a while before it is deleted: no insert can miss both', async () => {
    await ended(31, 'order-1')
    expect(await deleteOld(60_000)).toBe(0)
    expect(await keepKeys(database, old)).toBe(1)
    expect(await keepKeys(database, old)).toBe(0)
    expect(await insertOutcome('order-1')).toMatchObject({ kind: 'existing' })
    expect(await deleteOld(60_000)).toBe(0)
    expect(await deleteOld()).toBe(1)
    expect(await insertOutcome('order-1')).toMatchObject({ kind: 'existing' })
  })

  test('stays while events of its time are not sent', async () => {
    await ended(31)
    await keepKeys(database, old)
    await database.query(
      `INSERT INTO outbox_segment (refs, created_at) VALUES ('["x",1]', now() - interval '30 days')`,
    )
    expect(await deleteOld()).toBe(0)
    await database.query(`UPDATE outbox_segment SET created_at = now() - interval '29 days'`)
    expect(await deleteOld()).toBe(1)
  })

  test('stays while servers of it are pending, and as long after its last change', async () => {
    const id = await insertRequestRow(database, {
      state: 'failed',
      at: daysAgo(31),
      instances: [{ id: 'i-1', state: 'pending' }],
    })
    const ended = await ran(31, 'i-2')
    await database.query('UPDATE provision_request SET updated_at = now() WHERE id = $1::uuid', ended)
    await keepKeys(database, old)
    expect(await deleteOld()).toBe(0)
    await database.query(
      `UPDATE provision_request SET failed_count = 1, updated_at = now() - interval '31 days' WHERE id = $1::uuid`,
      id,
    )
    expect(await deleteOld()).toBe(1)
  })

  test('stays when it changes while it is about to be deleted', async () => {
    const id = await ended(31)
    await keepKeys(database, old)
    await database.transaction(async (sql) => {
      await sql.query('UPDATE provision_request SET version = version + 1 WHERE id = $1::uuid', id)
      expect(await deleteOld()).toBe(0)
    })
    expect(await deleteOld()).toBe(1)
  })

  test('does not hold up others that may go', async () => {
    for (let n = 0; n < 3; n += 1) {
      await insertRequestRow(database, {
        state: 'failed',
        at: daysAgo(50),
        instances: [{ id: `i-${n}`, state: 'pending' }],
      })
    }
    await ended(31)
    await keepKeys(database, old)
    expect(await deleteRetiredRequests(database, { ...old, limit: 2, keptForMs: 0 })).toBe(1)
  })
})

test('no more keys are stored ahead than it is told', async () => {
  for (let n = 0; n < 5; n += 1) await ended(31)
  expect(await keepKeys(database, { olderThanDays: 30, limit: 10, ahead: 3 })).toBe(3)
  expect(await keepKeys(database, { olderThanDays: 30, limit: 10, ahead: 3 })).toBe(0)
})

test('what tells of letters goes with the requests, the audit and runs that are over with the keys, what was done in a day', async () => {
  const text = { who: 'key:a', verb: 'resolve', reason: 'looked it up' }
  for (const days of [20, 40, 100]) {
    const at = daysAgo(days)
    await database.prisma.deadLetter.create({
      data: { id: uuidv7(), at, code: `${days}`, faults: '[]', bytes: 1 },
    })
    await database.prisma.auditEntry.create({ data: { ...text, at, target: `${days}` } })
    const over = { startedAt: at, finishedAt: at }
    await database.prisma.operationRun.create({
      data: { id: uuidv7(), kind: `${days}`, params: {}, createdAt: at, ...over },
    })
  }
  await database.prisma.operationRun.create({
    data: { id: uuidv7(), kind: 'open', params: {}, createdAt: daysAgo(100) },
  })
  const flow = { ...NO_FLOW, accepted: 1 }
  for (const days of [0.9, 1.1, 20])
    await database.prisma.flowCount.create({ data: { at: daysAgo(days), replicaId: uuidv7(), ...flow } })
  await runRetention()
  await eventually(async () => {
    expect(await database.prisma.flowCount.count()).toBe(1)
    const letters = await database.prisma.deadLetter.findMany()
    const entries = await database.prisma.auditEntry.findMany({ orderBy: { id: 'asc' } })
    const runs = await database.prisma.operationRun.findMany()
    expect(letters.map(({ code }) => code)).toEqual(['20'])
    expect(entries.map(({ target }) => target)).toEqual(['20', '40'])
    expect(runs.map(({ kind }) => kind).toSorted()).toEqual(['20', '40', 'open'])
  })
})
