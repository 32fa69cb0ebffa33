import fc from 'fast-check'
import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test } from 'vitest'
import { applyCallResults } from '../../src/budget/apply-call-results.sql.ts'
import { parseHistory } from '../../src/request/history.ts'
import { pay, refill } from '../support/bucket-model.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claim, placeRequests, REPLICA, readBucket, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const fill = (projectId = 'p') => setBucket(database, projectId, { tokens: 'capacity' })

describe('a claim', () => {
  test('takes tokens by the rule of the token bucket, on the clock of the database', async () => {
    const steps = fc.array(
      fc.record({ idleMs: fc.integer({ min: 0, max: 900 }), slots: fc.integer({ min: 1, max: 8 }) }),
      { minLength: 1, maxLength: 12 },
    )
    const limits = fc.record({
      perSecond: fc.double({ min: 0.5, max: 40, noNaN: true }),
      // Below two it is tight: tight-bucket.test.ts.
      burst: fc.double({ min: 2, max: 12, noNaN: true }),
    })
    await fc.assert(
      fc.asyncProperty(limits, steps, async (limit, sequence) => {
        await clearTables(database)
        await placeRequests(database, { count: 120, limit })
        for (const { idleMs, slots } of sequence) {
          await setBucket(database, 'p', {
            refilled_at: `refilled_at - interval '${idleMs} ms'`,
            due_at: 'now()',
          })
          const before = await readBucket(database)
          const { requests } = await claim(database, { slots })
          const after = await readBucket(database)

          const filled = refill(before, before, after.refilledAt)
          const { paid, roomMs, level } = pay(before, before, { at: after.refilledAt, wanted: slots })
          const onTheEdge = Math.abs(filled.tokens - Math.round(filled.tokens)) < 1e-4
          if (onTheEdge && requests.length !== paid) continue
          expect(requests).toHaveLength(paid)
          for (const request of requests) expect(request.roomMs).toBeCloseTo(roomMs, 1)
          expect(after.tokens).toBeCloseTo(level.tokens, 4)
          // The next turn comes with the next token, or where the rate is high with those of 50 ms.
          const next = after.refilledAt + Math.max(0, 1 - level.tokens) / before.refillPerSecond
          expect(after.dueAt ?? 0).toBeGreaterThan(next - 0.001)
          expect(after.dueAt ?? 0).toBeLessThan(next + 0.051)
        }
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  test('never goes below nothing, nor above the capacity, when the clock was set back', async () => {
    await placeRequests(database, { count: 5 })
    await setBucket(database, 'p', { tokens: '2.5', refilled_at: `now() + interval '1 hour'` })
    expect((await claim(database)).requests).toHaveLength(2)
    expect((await readBucket(database)).tokens).toBeCloseTo(0.5, 5)
  })

  test('records an attempt with its history for each request, and nothing for others', async () => {
    const ids = await placeRequests(database, { count: 4, limit: { perSecond: 0.01, burst: 20 } })
    await setBucket(database, 'p', { tokens: '3', refilled_at: 'now()' })
    const { requests, claimId } = await claim(database)
    expect(requests.map((request) => request.id).toSorted()).toEqual(ids.slice(0, 3).toSorted())
    const rows = await database.prisma.provisionRequest.findMany({ orderBy: { id: 'asc' } })
    for (const row of rows.slice(0, 3)) {
      const state = { state: 'dispatching', previousState: 'queued', claimId, queueRank: null }
      expect(row).toMatchObject({ ...state, version: 2, attempts: 1, attemptNumber: 1 })
      const [accepted, claimed, ...others] = parseHistory([row.history])
      expect(others).toEqual([])
      expect(accepted).toEqual({ v: 1, at: row.createdAt.getTime(), to: 'queued', cause: 'accepted' })
      const at = row.updatedAt.getTime()
      expect(claimed).toEqual({ v: 2, at, to: 'dispatching', cause: 'claimed', attempt: 1 })
      const request = requests.find(({ id }) => id === row.id)
      expect(request).toMatchObject({ attempt: 1, attempts: 1, version: 2, spec: JSON.parse(row.spec) })
      expect(request?.historyBytes).toBe(row.history.length)
    }
    expect(rows[3]).toMatchObject({ id: ids[3], state: 'queued', claimId: null, version: 1, attempts: 0 })
  })

  test('is one row that names what it holds, and none where it holds nothing', async () => {
    await claim(database)
    expect(await database.prisma.claim.findMany()).toEqual([])
    const ids = await placeRequests(database, { count: 2 })
    await fill()
    const { claimId } = await claim(database)
    const rows = await database.prisma.claim.findMany()
    expect(rows).toMatchObject([{ id: claimId, replicaId: REPLICA }])
    expect(rows[0]?.requestIds.toSorted()).toEqual(ids.toSorted())
  })

  test('takes no request twice, however many claim at once', async () => {
    const projects = ['a', 'b', 'c', 'd']
    for (const projectId of projects) {
      await placeRequests(database, { projectId, count: 60, limit: { perSecond: 1000, burst: 200 } })
      await fill(projectId)
    }
    const claimed: string[] = []
    const claimAll = async () => {
      for (let idle = 0; idle < 20; ) {
        const { requests } = await claim(database, { slots: 7 })
        claimed.push(...requests.map((request) => request.id))
        idle = requests.length === 0 ? idle + 1 : 0
      }
    }
    await Promise.all(Array.from({ length: 6 }, claimAll))
    expect(claimed).toHaveLength(240)
    expect(new Set(claimed).size).toBe(240)
    const held = await database.prisma.claim.findMany()
    expect(held.flatMap(({ requestIds }) => requestIds).toSorted()).toEqual(claimed.toSorted())
  })

  test('goes round the projects, so that a long queue takes no more than a short one', async () => {
    for (const [projectId, count] of [
      ['a', 50],
      ['b', 2],
      ['c', 50],
    ] as const) {
      await placeRequests(database, { projectId, count })
      await fill(projectId)
    }
    const { requests } = await claim(database, { slots: 10 })
    const by = Object.groupBy(requests, (request) => request.projectId)
    expect(by.b).toHaveLength(2)
    expect(by.a?.length).toBeGreaterThanOrEqual(3)
    expect(by.c?.length).toBeGreaterThanOrEqual(3)
  })

  test('serves each of many projects once before any of them twice', async () => {
    const projects = Array.from({ length: 50 }, (_, n) => `many-${n}`)
    for (const projectId of projects) {
      await placeRequests(database, { projectId, count: 3 })
      await fill(projectId)
    }
    const served: string[] = []
    for (let n = 0; n < 10; n += 1) {
      const { requests, waitMs } = await claim(database, { slots: 10 })
      expect(waitMs).toBeLessThanOrEqual(0)
      served.push(...requests.map((request) => request.projectId))
    }
    expect(served.slice(0, 50).toSorted()).toEqual(projects.toSorted())
    expect(served.slice(50).toSorted()).toEqual(projects.toSorted())
  })

  test('takes the higher priority first, and age wins in the end', async () => {
    const age = (id: string | undefined, minutes: number) =>
      database.query(
        `UPDATE provision_request
         SET created_at = created_at - make_interval(mins => $2::int), queue_rank = queue_rank - make_interval(mins => $2::int)
         WHERE id = $1::uuid`,
        id,
        minutes,
      )
    const [first] = await placeRequests(database, { priority: 0 })
    const [second] = await placeRequests(database, { priority: 9 })
    const [third] = await placeRequests(database, { priority: 9 })
    const [oldest] = await placeRequests(database, { priority: 0 })
    await age(oldest, 91)
    await setBucket(database, 'p', { tokens: '1', refilled_at: `now() + interval '1 hour'`, due_at: 'now()' })
    const order: unknown[] = []
    for (let n = 0; n < 4; n += 1) {
      await setBucket(database, 'p', { tokens: '1', due_at: 'now()' })
      order.push(...(await claim(database)).requests.map((request) => request.id))
    }
    expect(order).toEqual([oldest, second, third, first])
  })

  test('leaves requests alone whose deadline has passed', async () => {
    await placeRequests(database, { deadline: new Date(Date.now() - 1000) })
    const [good] = await placeRequests(database, { deadline: new Date(Date.now() + 60_000) })
    await fill()
    const { requests } = await claim(database)
    expect(requests.map((request) => request.id)).toEqual([good])
    expect(requests[0]?.deadlineInMs).toBeLessThanOrEqual(60_000)
  })

  test('tells when the next token comes, and that there is nothing to wait for', async () => {
    expect((await claim(database)).waitMs).toBeNull()
    await placeRequests(database, { count: 2, limit: { perSecond: 0.5, burst: 2 } })
    const { requests, waitMs } = await claim(database)
    expect(requests).toHaveLength(1)
    expect(waitMs).toBeGreaterThan(1000)
    expect(waitMs).toBeLessThanOrEqual(2100)
    for (const left of [1, 0]) {
      await setBucket(database, 'p', { tokens: '1', due_at: 'now()' })
      expect((await claim(database)).requests).toHaveLength(left)
    }
    expect((await claim(database)).waitMs).toBeNull()
  })
})

describe('the token of a call that was not made', () => {
  const giveBack = (...refunds: string[]) =>
    applyCallResults(database, [{ projectId: 'p', effect: 'work', blockMs: null, reason: null, refunds }])

  test('comes back as if it had never been taken, one for each call', async () => {
    await placeRequests(database, { count: 5 })
    await setBucket(database, 'p', { tokens: '3', refilled_at: `now() + interval '1 hour'` })
    const { claimId } = await claim(database, { slots: 2 })
    await giveBack(claimId)
    expect((await readBucket(database)).tokens).toBe(2)
    await giveBack(claimId, uuidv7())
    expect((await readBucket(database)).tokens).toBe(3)
  })

  test('is lost where another was paid for since, how late that one may be was reckoned without it', async () => {
    await placeRequests(database, { count: 5 })
    await setBucket(database, 'p', { tokens: '3', refilled_at: `now() + interval '1 hour'` })
    const { claimId } = await claim(database, { slots: 1 })
    await setBucket(database, 'p', { due_at: 'now()' })
    expect((await claim(database, { slots: 1 })).requests).toHaveLength(1)
    await giveBack(claimId)
    expect((await readBucket(database)).tokens).toBe(1)
  })

  test('can be spent at once, however long the next one would take', async () => {
    await placeRequests(database, { count: 2 })
    await setBucket(database, 'p', { tokens: '1', capacity: '1', refill_per_second: '0.001' })
    const { claimId } = await claim(database)
    expect((await claim(database)).waitMs).toBeGreaterThan(900_000)
    await giveBack(claimId)
    expect((await claim(database)).requests).toHaveLength(1)
  })
})

test('what all calls are late by is paid for, if need be with tokens that are not there yet', async () => {
  await placeRequests(database, { count: 50, limit: { perSecond: 10, burst: 20 } })
  await setBucket(database, 'p', { tokens: '10', refilled_at: `now() + interval '1 hour'` })
  const before = await readBucket(database)
  const { requests } = await claim(database, { slots: 10, lateMs: 1000 })
  const { paid, roomMs, level } = pay(before, before, { at: before.refilledAt, wanted: 10, lateMs: 1000 })
  expect(paid).toBe(10)
  expect(requests.map((request) => request.roomMs)).toEqual(Array(10).fill(expect.closeTo(roomMs, 3)))
  const after = await readBucket(database)
  expect(after.tokens).toBe(0)
  expect(after.refilledAt).toBeCloseTo(level.refilledAt, 5)
  expect(after.refilledAt).toBeGreaterThan(before.refilledAt + 0.04)
})

describe('a closed bucket', () => {
  const tell = (effect: 'work' | 'served' | 'refund', ...refunds: string[]) =>
    applyCallResults(database, [{ projectId: 'p', effect, blockMs: null, reason: null, refunds }])

  test('lets the next probe go when one came back without a call', async () => {
    await placeRequests(database, { count: 5 })
    await fill()
    await trouble(1)
    await setBucket(database, 'p', { blocked_until: `now() - interval '1 second'`, due_at: 'now()' })
    const { requests, claimId } = await claim(database)
    expect(requests).toHaveLength(1)
    await tell('refund', claimId)
    expect((await claim(database)).requests).toEqual([])
    await tell('work')
    expect((await claim(database)).requests).toMatchObject([{ probing: true }])
  })

  test.each([
    ['throttled', 'NULL', '-1 second', null],
    ['unauthorized', 'NULL', '-1 second', null],
    ['misconfigured', 'NULL', '-1 second', null],
    ['upstream_unavailable', 'NULL', '-1 second', 'upstream_unavailable'],
    ['throttled', 'now()', '-1 second', 'throttled'],
    ['throttled', 'NULL', '1 hour', 'throttled'],
  ])('as %s, with work due %s, over since %s, is after a good reading call: %s', async (...row) => {
    const [reason, dueAt, until, after] = row
    await placeRequests(database)
    await setBucket(database, 'p', {
      blocked_until: `now() + interval '${until}'`,
      blocked_reason: `'${reason}'`,
      due_at: dueAt,
      troubles: '3',
    })
    await tell('served')
    expect(await readBucket(database)).toMatchObject({
      blockedReason: after,
      troubles: after === null ? 0 : 3,
    })
  })

  const trouble = (blockMs: number | null, reason: 'throttled' | 'upstream_unavailable' = 'throttled') =>
    applyCallResults(database, [
      { projectId: 'p', effect: 'trouble', blockMs, reason: blockMs === null ? null : reason },
    ])
  const clear = () =>
    applyCallResults(database, [{ projectId: 'p', effect: 'clear', blockMs: null, reason: null }])

  test('gives nothing before its time, and then one probe', async () => {
    await placeRequests(database, { count: 5 })
    await fill()
    await trouble(3_600_000)
    expect((await claim(database)).requests).toEqual([])
    expect((await claim(database)).waitMs).toBeGreaterThan(3_000_000)

    await setBucket(database, 'p', { blocked_until: `now() - interval '1 second'`, due_at: 'now()' })
    const { requests } = await claim(database)
    expect(requests).toMatchObject([{ probing: true, troubles: 1 }])
    expect((await claim(database)).requests).toEqual([])
  })

  test('is probed again when a probe has no outcome for long', async () => {
    await placeRequests(database, { count: 5 })
    await fill()
    await trouble(1000)
    await setBucket(database, 'p', { blocked_until: `now() - interval '1 second'`, due_at: 'now()' })
    expect((await claim(database, { probeMs: 60_000 })).requests).toHaveLength(1)
    const { dueAt, refilledAt } = await readBucket(database)
    expect((dueAt ?? 0) - refilledAt).toBeCloseTo(60, 1)
  })

  test('opens for all after a good answer', async () => {
    await placeRequests(database, { count: 5 })
    await fill()
    await trouble(3_600_000, 'upstream_unavailable')
    await clear()
    expect((await claim(database)).requests).toHaveLength(5)
    expect(await readBucket(database)).toMatchObject({ troubles: 0, blockedReason: null })
  })

  test('stays closed as long as CloudDC asked for, whatever calls that were under way bring', async () => {
    await placeRequests(database, { count: 5 })
    await fill()
    await trouble(3_600_000)
    await clear()
    expect((await claim(database)).requests).toEqual([])
    expect(await readBucket(database)).toMatchObject({ troubles: 1, blockedReason: 'throttled' })
  })

  test('counts calls that fail while it is closed as one trouble, and keeps the longer time', async () => {
    await placeRequests(database)
    await trouble(3_600_000)
    const { dueAt } = await readBucket(database)
    await trouble(1000)
    await trouble(null)
    const after = await readBucket(database)
    expect(after.troubles).toBe(1)
    expect(after.dueAt).toBeCloseTo(dueAt ?? 0, 2)
  })

  test('that only counts stays open', async () => {
    await placeRequests(database, { count: 2 })
    await fill()
    await trouble(null)
    expect((await claim(database)).requests).toHaveLength(2)
    expect((await readBucket(database)).troubles).toBe(1)
  })
})
