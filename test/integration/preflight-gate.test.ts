import { beforeEach, describe, expect, test } from 'vitest'
import { UNLIMITED } from '../../src/budget/credential.sql.ts'
import { labelProjects } from '../../src/budget/label-projects.sql.ts'
import { syncCredentials } from '../../src/budget/sync-credentials.sql.ts'
import { type BucketLimit, bucketLimit } from '../../src/budget/token-bucket.ts'
import { beginReading, readSpokenServers } from '../../src/preflight/begin-reading.sql.ts'
import { holdOrders, readHeldOrders, releaseOrders } from '../../src/preflight/orders.sql.ts'
import { recordReading } from '../../src/preflight/record-reading.sql.ts'
import {
  disbelieveReading,
  takeReadings,
  wantForgottenReadings,
  wantReadings,
} from '../../src/preflight/wanted-readings.sql.ts'
import { changeRequests } from '../../src/request/change-requests.sql.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claim as claimWith, placeRequests, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const claim = async (slots = 50) => {
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  return claimWith(database, { slots, preflight: true })
}

const TIMES = { renewMs: 2000, lifeMs: 60_000, nextMs: null, gapMs: 0, readsServers: false }

/** Takes the wanted reading, and records that so many servers were ready. */
async function read(ready: number) {
  const { wanted } = await takeReadings(database, 10)
  expect(wanted).toMatchObject([{ projectId: 'p' }])
  const begun = await beginReading(database, 'p')
  if (begun === undefined) throw new Error('no bucket')
  const record = () =>
    recordReading(database, {
      ...TIMES,
      projectId: 'p',
      begunAt: begun.begunAt,
      readyLimit: begun.ordered + ready - begun.underWay,
    })
  return { begun, record }
}

const bucket = async () => {
  const [row] = await database.prisma.rateBucket.findMany()
  if (row === undefined) throw new Error('no bucket')
  return row
}

describe('a claim', () => {
  test('takes nothing before a reading, and asks for one', async () => {
    await placeRequests(database, { count: 3 })
    const first = await claim()
    expect(first).toMatchObject({ requests: [], wantsReading: true })
    await (await read(10)).record()
    expect((await bucket()).dueAt?.getTime()).toBeLessThanOrEqual(Date.now() + 1000)
    expect((await claim()).requests).toHaveLength(3)
  })

  test('takes what the reading leaves, in order, and asks for another where more is queued', async () => {
    await placeRequests(database, { count: 5, minCount: 2, maxCount: 3 })
    await claim()
    await (await read(7)).record()
    // 3 + 3 are ordered, and 1 is left.
    const second = await claim()
    expect(second.requests).toHaveLength(2)
    expect(second.wantsReading).toBe(true)
    expect(await bucket()).toMatchObject({ ordered: 6n, readyLimit: 7n })
    expect((await claim()).requests).toHaveLength(0)
  })

  test('lets nothing pass that stands behind what does not fit', async () => {
    await placeRequests(database, { count: 1, minCount: 3, maxCount: 3 })
    await placeRequests(database, { count: 2 })
    await claim()
    await (await read(2)).record()
    expect((await claim()).requests).toEqual([])
  })

  test('counts what was claimed while the reading was made, and what was under way at its begin', async () => {
    await placeRequests(database, { count: 10 })
    await claim()
    await (await read(4)).record()
    expect((await claim(2)).requests).toHaveLength(2)
    await wantReadings(database, ['p'])
    const reading = await read(5)
    expect(reading.begun).toMatchObject({ ordered: 2, underWay: 2 })
    expect((await claim(2)).requests).toHaveLength(2)
    await reading.record()
    // Of five, two may be gone since before it, and two are since.
    expect((await claim()).requests).toHaveLength(1)
  })

  test('waits for no reading while its project is probed, or where nobody reads', async () => {
    await placeRequests(database, { count: 3 })
    await setBucket(database, 'p', { blocked_until: 'now()', blocked_reason: `'throttled'` })
    expect((await claim()).requests).toHaveLength(1)
    await setBucket(database, 'p', { blocked_until: 'NULL', blocked_reason: 'NULL' })
    expect((await claim()).requests).toHaveLength(0)
    await setBucket(database, 'p', { preflight_at: `now() - interval '11 seconds'` })
    expect((await claim()).requests).toHaveLength(2)
  })

  test('believes no reading for ever, nor one that CloudDC has contradicted', async () => {
    await placeRequests(database, { count: 3 })
    await claim()
    await (await read(10)).record()
    await setBucket(database, 'p', { ready_until: `now() - interval '1 ms'` })
    expect(await claim()).toMatchObject({ requests: [], wantsReading: true })
    await (await read(10)).record()
    await disbelieveReading(database, 'p')
    expect(await claim()).toMatchObject({ requests: [], wantsReading: true })
    expect((await takeReadings(database, 1)).wanted).toMatchObject([{ readsServers: true }])
  })

  test('asks for the renewal of a reading that ages, once', async () => {
    await placeRequests(database, { count: 3 })
    await claim()
    await (await read(10)).record()
    expect(await claim(1)).toMatchObject({ wantsReading: false })
    await setBucket(database, 'p', { renew_at: `now() - interval '1 second'` })
    expect(await claim(1)).toMatchObject({ requests: [{}], wantsReading: true })
    await takeReadings(database, 1)
    expect(await claim(1)).toMatchObject({ requests: [{}], wantsReading: false })
  })
})

describe('a reading', () => {
  test('is taken by one, and what is wanted meanwhile stays wanted', async () => {
    await placeRequests(database, { count: 1 })
    await wantReadings(database, ['p'])
    const { record } = await read(1)
    expect((await takeReadings(database, 10)).wanted).toEqual([])
    await wantReadings(database, ['p'])
    expect((await takeReadings(database, 10)).wanted).toEqual([])
    await record()
    const next = await read(1)
    await next.record()
    const { wanted, nextInMs } = await takeReadings(database, 10)
    expect({ wanted, nextInMs }).toEqual({ wanted: [], nextInMs: null })
  })

  test('of projects that share a credential costs each its part of it', async () => {
    const projects = ['a', 'b', 'c', 'd', 'closed', 'idle']
    for (const projectId of projects)
      await placeRequests(database, { projectId, limit: { perSecond: 5, burst: 5 } })
    await labelProjects(
      database,
      projects.map((projectId) => ({ projectId, credentialId: 'key' })),
    )
    await setBucket(database, 'closed', { blocked_until: 'now()', blocked_reason: `'forbidden'` })
    await setBucket(database, 'idle', { due_at: 'NULL' })
    const takenAt = async (credential: BucketLimit) => {
      await syncCredentials(database, [{ credentialId: 'key', ...credential }])
      await setBucket(database, 'a', { preflight_at: `now() - interval '1 second'`, reading_until: 'NULL' })
      return (await takeReadings(database, 10)).wanted
    }
    expect(await takenAt(bucketLimit({ perSecond: 10, burst: 10 }))).toMatchObject([{ perSecond: 2.5 }])
    expect(await takenAt(bucketLimit({ perSecond: 40, burst: 10 }))).toMatchObject([{ perSecond: 5 }])
    expect(await takenAt(UNLIMITED)).toMatchObject([{ perSecond: 5 }])
  })
})

describe('orders that are held back', () => {
  const selected = (...ids: string[]) => ({
    held: true,
    minCount: ids.length,
    maxCount: ids.length,
    spec: { name: 'web', placement: { server_id_set: ids } },
  })
  const looked = () => readHeldOrders(database, { projectId: 'p', begunAt: 'infinity', limit: 10 })

  test('are not claimed before they are let in, at their old place', async () => {
    const [held = ''] = await placeRequests(database, selected('a'))
    const [other = ''] = await placeRequests(database)
    expect(await looked()).toMatchObject([{ id: held, servers: ['a'], heldFor: null, acceptedBefore: true }])
    const { wanted } = await takeReadings(database, 1)
    expect(wanted).toMatchObject([{ holds: true }])
    expect(await releaseOrders(database, [held])).toBe(1)
    expect(await releaseOrders(database, [held])).toBe(0)
    await setBucket(database, 'p', { ready_until: `'infinity'` })
    const { requests } = await claim()
    expect(requests.map(({ id }) => id)).toEqual(expect.arrayContaining([held, other]))
    const rows = await database.prisma.provisionRequest.findMany()
    expect(rows.every(({ heldRank }) => heldRank === null)).toBe(true)
  })

  test('speak for their servers until their calls are over', async () => {
    const [held = ''] = await placeRequests(database, selected('a', 'b'))
    await releaseOrders(database, [held])
    expect(await readSpokenServers(database, 'p')).toEqual(new Set(['a', 'b']))
    const change = { cause: 'cancelled' }
    await changeRequests(database, [{ id: held, version: 1, to: 'cancelled', change }])
    expect(await readSpokenServers(database, 'p')).toEqual(new Set())
  })

  test('say what they wait for, and are not forgotten', async () => {
    const [id = ''] = await placeRequests(database)
    await holdOrders(database, [{ id, heldFor: 'servers' }])
    expect(await looked()).toMatchObject([{ id, heldFor: 'servers' }])
    expect(await wantForgottenReadings(database)).toBe(1)
    expect(await wantForgottenReadings(database)).toBe(0)
  })
})
