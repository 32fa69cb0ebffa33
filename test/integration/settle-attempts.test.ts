import { beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type SettleRow, settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { promoteRetries } from '../../src/dispatch/due-sweeps.sql.ts'
import { parseHistory } from '../../src/request/history.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import {
  type Claimed,
  claim,
  claimNext,
  LOOK_TIMES,
  notCreated,
  POLL_TIMES,
  placeRequests,
  setBucket,
  settlementFor,
  UNKNOWN,
} from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const CREATED: Outcome = { class: 'created', instanceIds: ['i-1', 'i-2'], httpStatus: 202 }
async function claimOne(changes: Parameters<typeof placeRequests>[1] = {}): Promise<Claimed> {
  await placeRequests(database, { maxCount: 2, ...changes })
  return claimNext(database)
}

const settle = (...rows: SettleRow[]) => settleAttempts(database, rows, POLL_TIMES)

const requests = () => database.prisma.provisionRequest.findMany({ orderBy: { id: 'asc' } })
const looks = () => database.prisma.look.findMany({ orderBy: { provisionRequestId: 'asc' } })

async function only() {
  const [row, ...others] = await requests()
  if (row === undefined || others.length > 0) throw new Error(`${others.length} other requests`)
  return { ...row, entries: parseHistory([row.history]) }
}

/** Versions by request that the outbox owes events for. */
async function owed(): Promise<(readonly [string, number])[]> {
  const segments = await database.prisma.outboxSegment.findMany({ orderBy: { position: 'asc' } })
  return segments.flatMap(({ refs }) => JSON.parse(`[${refs ?? ''}]`) as [string, number][])
}

describe('an outcome', () => {
  test('of creation stores the instances, due for their poll, with history and event', async () => {
    const claimed = await claimOne()
    expect(await settle(settlementFor(claimed, CREATED))).toEqual([
      { id: claimed.id, attempt: 1, projectId: 'p', requestId: claimed.requestId },
    ])
    const request = await only()
    const fields = { state: 'provisioning', previousState: 'dispatching', version: 3, claimId: null }
    const counts = { attempts: 1, createdCount: 2, instanceIds: ['i-1', 'i-2'], sealedPassword: null }
    expect(request).toMatchObject({ ...fields, ...counts, errorCode: null, completedAt: null })
    expect(request.dispatchedAt).toEqual(request.updatedAt)
    expect(request.entries.map(({ v, to, cause }) => [v, to, cause])).toEqual([
      [1, 'queued', 'accepted'],
      [2, 'dispatching', 'claimed'],
      [3, 'provisioning', 'created'],
    ])
    expect(request.entries[2]).toEqual({
      v: 3,
      at: request.updatedAt.getTime(),
      to: 'provisioning',
      cause: 'created',
      attempt: 1,
      outcome: 'created',
      evidence: { http_status: 202, instances: 2 },
      instances: ['i-1', 'i-2'],
    })
    const instances = await database.prisma.instance.findMany({ orderBy: { id: 'asc' } })
    const polls = await database.prisma.poll.findMany()
    for (const instance of instances)
      expect(instance).toMatchObject({
        state: 'pending',
        provisionRequestId: claimed.id,
        attempt: 1,
        name: 'web',
      })
    const [poll] = polls
    expect(polls).toMatchObject([{ projectId: 'p', polls: 0 }])
    const createdMs = instances[0]?.createdAt.getTime()
    expect(poll?.members).toEqual(['i-1', 'i-2'].map((id) => JSON.stringify([id, createdMs, null, null])))
    const waitMs = (poll?.dueAt.getTime() ?? 0) - (createdMs ?? 0)
    expect(waitMs).toBeGreaterThanOrEqual(POLL_TIMES.firstPollMs - 1)
    expect(waitMs).toBeLessThanOrEqual(POLL_TIMES.firstPollMs * 1.2 + 1)
    expect((poll?.limitAt.getTime() ?? 0) - (createdMs ?? 0)).toBe(POLL_TIMES.provisionTimeoutMs)
    expect(await looks()).toEqual([])
    expect(await owed()).toEqual([
      [claimed.id, 1],
      [claimed.id, 3],
    ])
  })

  test('of creation that named fewer than it could is audited', async () => {
    const claimed = await claimOne({ maxCount: 3 })
    await settle(settlementFor(claimed, CREATED))
    const [look, ...others] = await looks()
    expect(others).toEqual([])
    expect(look).toMatchObject({
      provisionRequestId: claimed.id,
      attempt: 1,
      projectId: 'p',
      purpose: 'audit',
    })
    const inMs = (look?.dueAt.getTime() ?? 0) - (await only()).updatedAt.getTime()
    expect(Math.abs(inMs - LOOK_TIMES.settleMs)).toBeLessThanOrEqual(1)
  })

  test('of creation asks for the instances of a project together, at most a hundred at once', async () => {
    await placeRequests(database, {
      count: 3,
      minCount: 1,
      maxCount: 50,
      limit: { perSecond: 100, burst: 100 },
    })
    await placeRequests(database, { projectId: 'q', maxCount: 2 })
    await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
    const { requests: claimed, claimId } = await claim(database)
    const rows = claimed.map((request, n) => {
      const instanceIds = Array.from({ length: request.maxCount }, (_, k) => `i-${n}-${k}`)
      return settlementFor({ ...request, claimId }, { ...CREATED, instanceIds })
    })
    expect(await settle(...rows)).toHaveLength(4)
    const polls = await database.prisma.poll.findMany()
    expect(polls.map(({ projectId, members }) => `${projectId} ${members.length}`).toSorted()).toEqual([
      'p 100',
      'p 50',
      'q 2',
    ])
    const members = polls.flatMap((poll) => poll.members.map((member) => JSON.parse(member)[0]))
    expect(members.toSorted()).toEqual(rows.flatMap((row) => row.instanceIds).toSorted())
  })

  test('of a refusal ends the request and lets go of its password', async () => {
    const claimed = await claimOne()
    await settle(settlementFor(claimed, notCreated('refused')))
    const request = await only()
    const ended = {
      state: 'failed',
      exceptionState: 'failed',
      sealedPassword: null,
      claimId: null,
      attempts: 1,
    }
    expect(request).toMatchObject({ ...ended, errorCode: 'iMetal.0001', errorMessage: 'no' })
    expect(request.completedAt).toEqual(request.updatedAt)
    expect(request.errorAt).toEqual(request.updatedAt)
    expect(request.entries.at(-1)).toMatchObject({
      to: 'failed',
      cause: 'refused',
      outcome: 'not_created',
      error: { code: 'iMetal.0001', message: 'no' },
    })
    expect((await owed()).at(-1)).toEqual([claimed.id, 3])
  })

  test('of throttling puts the request back where it stood, at no cost and without an event', async () => {
    const deadline = new Date(Date.now() + 3_600_000)
    await placeRequests(database, { priority: 3, deadline })
    const before = await only()
    const claimed = await claimNext(database)
    await settle(settlementFor(claimed, notCreated('throttled')))
    const request = await only()
    const { id, queueRank, sealedPassword } = before
    const place = { id, state: 'queued', queueRank, sealedPassword, expiresAt: deadline, errorCode: null }
    expect(request).toMatchObject({ ...place, attempts: 0, attemptNumber: 1, claimId: null })
    expect(request.entries.at(-1)).toMatchObject({ cause: 'throttled', attempt: 1, outcome: 'not_created' })
    expect(await owed()).toEqual([[id, 1]])
  })

  test('that is unknown keeps the request from the queue and the password for a later attempt', async () => {
    const claimed = await claimOne()
    await settle(settlementFor(claimed, UNKNOWN))
    const request = await only()
    expect(request).toMatchObject({ state: 'uncertain', queueRank: null, retryAt: null, claimId: null })
    expect(request.sealedPassword).not.toBeNull()
    const look = { provisionRequestId: claimed.id, attempt: 1, purpose: 'doubt', listingsWithout: 0 }
    expect(await looks()).toMatchObject([{ ...look, evidence: null }])
    expect((await owed()).at(-1)).toEqual([claimed.id, 3])
    await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
    expect((await claim(database)).requests).toEqual([])
  })

  test.each([
    ['that is found out, with its audit', { purpose: 'audit', inMs: 1000 } as const, ['audit']],
    ['that is found out for good', null, []],
  ])('%s, ends the doubt', async (_, look, purposes) => {
    const claimed = await claimOne()
    await settle(settlementFor(claimed, UNKNOWN))
    await database.query(`UPDATE look SET listings_without = 2, evidence = '{}'`)
    const doubt = { from: 'uncertain', claimId: null } as const
    const row = { ...settlementFor(claimed, CREATED, doubt), look }
    expect(await settle(row)).toHaveLength(1)
    expect((await looks()).map(({ purpose }) => purpose)).toEqual(purposes)
    for (const left of await looks()) expect(left).toMatchObject({ listingsWithout: 0, evidence: null })
  })

  test('with a delay waits for it outside the queue, and comes back to its old place', async () => {
    const claimed = await claimOne({ priority: 2 })
    const row = settlementFor(claimed, notCreated('throttled'))
    await settle({ ...row, retryInMs: 3_600_000 })
    expect(await only()).toMatchObject({ state: 'queued', queueRank: null })
    expect(await promoteRetries(database, 10)).toEqual([])
    await database.query(`UPDATE provision_request SET retry_at = now() - interval '1 second'`)
    expect(await promoteRetries(database, 10)).toEqual(['p'])
    const back = await only()
    expect(back.retryAt).toBeNull()
    const bonusMs = back.createdAt.getTime() - (back.queueRank?.getTime() ?? 0)
    expect(bonusMs).toBe(2 * 10 * 60_000)
  })
})
