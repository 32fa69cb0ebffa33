import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test } from 'vitest'
import { syncBuckets } from '../../src/budget/sync-buckets.sql.ts'
import { isRejected } from '../../src/database/errors.ts'
import type { NewRequest } from '../../src/intake/new-request.ts'
import { createRequestStore } from '../../src/intake/request-store.ts'
import { parseHistory } from '../../src/request/history.ts'
import { requestKey } from '../../src/request/request-key.ts'
import { buildRejected } from '../support/rejected-message.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { storedEvents } from '../support/stored-events.ts'
import { buildNewRequest, claim, placeRequests, readBucket, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const LIMIT = { perSecond: 10, burst: 20 }
const insert = (rows: readonly NewRequest[]) =>
  createRequestStore({ database, limitOf: () => LIMIT }).insertRequests(rows)

describe('a batch', () => {
  test('is stored with its history, one segment of events and a bucket that is due, each once', async () => {
    const rows = ['a', 'a', 'b'].map((projectId) => buildNewRequest({ projectId }))
    expect(await insert(rows)).toEqual(rows.map(() => ({ kind: 'inserted' })))
    const stored = await database.prisma.provisionRequest.findMany({ orderBy: { id: 'asc' } })
    expect(stored).toHaveLength(3)
    for (const [index, { createdAt, previousState, history, ...row }] of stored.entries()) {
      expect(row).toMatchObject({ id: rows[index]?.id, state: 'queued', version: 1, attemptNumber: 0 })
      expect(JSON.parse(row.spec)).toEqual(rows[index]?.spec)
      expect(previousState).toBeNull()
      expect(parseHistory([history])).toEqual([
        { v: 1, at: createdAt.getTime(), to: 'queued', cause: 'accepted' },
      ])
    }
    expect(await database.prisma.outboxSegment.count()).toBe(1)
    const events = await storedEvents(database)
    expect(events.map(({ kind, orderingKey }) => [kind, orderingKey]).toSorted()).toEqual(
      rows.map((row) => ['request.accepted', requestKey(row)]).toSorted(),
    )
    for (const projectId of ['a', 'b']) {
      const bucket = await readBucket(database, projectId)
      expect(bucket).toMatchObject({ tokens: 1, troubles: 0 })
      expect(bucket.dueAt).not.toBeNull()
    }
  })

  test('keeps every value as it came', async () => {
    const deadline = new Date('2027-01-01T00:00:00.123Z')
    const tracing = { correlationId: 'ä "1"', traceparent: '00-1', tracestate: 'a=1' }
    const spec = { name: 'a\\u0041"\n', metadata: { ключ: '\u2028' }, big: 12345678901234567890n.toString() }
    const row = buildNewRequest({ spec, deadline, priority: 9, minCount: 2, maxCount: 3, ...tracing })
    await insert([row])
    const { queueRank, ...stored } = await database.prisma.provisionRequest.findUniqueOrThrow({
      where: { id: row.id },
    })
    expect(stored).toMatchObject({ deadline, expiresAt: deadline, priority: 9, ...tracing })
    expect(JSON.parse(stored.spec)).toEqual(spec)
    expect(Buffer.from(stored.sealedPassword ?? '')).toEqual(row.sealedPassword)
    expect(stored.passwordTrace).toBe(row.passwordTrace)
    expect(Buffer.from(stored.contentDigest)).toEqual(row.contentDigest)
    expect(queueRank).toEqual(new Date(stored.createdAt.getTime() - 9 * 10 * 60_000))
  })

  test('tells for each row whether it was new, in the order of the rows', async () => {
    const first = buildNewRequest({ requestId: 'one' })
    await insert([first])
    const again = buildNewRequest({ requestId: 'one' })
    const other = buildNewRequest({ requestId: 'two' })
    const [repeated, fresh] = await insert([again, other])
    expect(fresh).toEqual({ kind: 'inserted' })
    expect(repeated).toEqual({
      kind: 'existing',
      contentDigest: first.contentDigest,
      passwordDigest: first.passwordDigest,
      sealedPassword: first.sealedPassword,
    })
    expect(await storedEvents(database)).toHaveLength(2)
    expect(await database.prisma.provisionRequest.count()).toBe(2)
  })

  test('of keys that are stored by others at the same moment is stored once, without a deadlock', async () => {
    const keys = Array.from({ length: 40 }, (_, n) => ({ projectId: `p${n % 5}`, requestId: `r${n}` }))
    const batches = Array.from({ length: 6 }, (_, n) => {
      const rows = keys.map((key) => buildNewRequest(key))
      return n % 2 === 0 ? rows : rows.toReversed()
    })
    const outcomes = await Promise.all(batches.map(insert))
    expect(outcomes.flat().filter(({ kind }) => kind === 'inserted')).toHaveLength(40)
    expect(await database.prisma.provisionRequest.count()).toBe(40)
    expect(await storedEvents(database)).toHaveLength(40)

    const stored = await database.prisma.provisionRequest.findMany()
    const digests = new Map(stored.map((row) => [requestKey(row), Buffer.from(row.contentDigest)]))
    for (const [n, batch] of batches.entries()) {
      for (const [index, { projectId, requestId, contentDigest }] of batch.entries()) {
        const outcome = outcomes[n]?.[index]
        const digest = outcome?.kind === 'existing' ? outcome.contentDigest : contentDigest
        expect(digest.equals(digests.get(requestKey({ projectId, requestId })) ?? Buffer.alloc(0))).toBe(true)
      }
    }
  })

  test('with an invalid row is stored not at all', async () => {
    const rows = [buildNewRequest(), buildNewRequest({ minCount: 3, maxCount: 2 }), buildNewRequest()]
    const error: unknown = await insert(rows).catch((error: unknown) => error)
    expect(error).toMatchObject({ message: expect.stringContaining('counts_check') })
    expect(isRejected(error)).toBe(true)
    expect(await database.prisma.provisionRequest.count()).toBe(0)
    expect(await database.prisma.outboxSegment.count()).toBe(0)
  })
})

test('rejections are one segment, and the time of their events is its own', async () => {
  const rejection = {
    id: uuidv7(),
    projectId: 'p',
    requestId: 'order\u0000 1',
    correlationId: null,
    traceparent: null,
    tracestate: null,
    code: 'invalid_request',
    detail: [{ path: 'spec', message: 'is missing' }],
  }
  const store = createRequestStore({ database, limitOf: () => LIMIT })
  await store.insertRejections([buildRejected(rejection), buildRejected(rejection), buildRejected(null)])
  const [segment, ...others] = await database.prisma.outboxSegment.findMany()
  expect(others).toEqual([])
  expect(segment).toMatchObject({ refs: null, createdAt: expect.any(Date) })
  const stored = { ...rejection, requestId: 'order\ufffd 1' }
  expect(JSON.parse(segment?.rejections ?? '')).toEqual([stored, stored])
  const letters = await database.prisma.deadLetter.findMany()
  expect(letters.map(({ code, requestId }) => [code, requestId]).toSorted()).toEqual([
    ['invalid_json', null],
    ['invalid_request', 'order\ufffd 1'],
    ['invalid_request', 'order\ufffd 1'],
  ])
})

describe('the limits of the buckets', () => {
  test('follow the configuration, and a level above the new capacity is cut', async () => {
    for (const projectId of ['a', 'b']) {
      await placeRequests(database, { projectId })
      await claim(database)
      await setBucket(database, projectId, { due_at: 'NULL', tokens: 'capacity' })
    }
    const overrides = [{ projectId: 'b', refillPerSecond: 7, capacity: 50 }]
    await syncBuckets(database, { standard: { refillPerSecond: 2, capacity: 3 }, overrides }, false)
    expect(await readBucket(database, 'a')).toMatchObject({ refillPerSecond: 2, capacity: 3, tokens: 3 })
    const other = await readBucket(database, 'b')
    expect(other).toMatchObject({ refillPerSecond: 7, capacity: 50 })
    expect(other.tokens).toBeGreaterThan(3)
  })
})
