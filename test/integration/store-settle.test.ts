import { beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type SettleRow, settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { type OpenAttempt, settlementOf } from '../../src/attempt/settlement.ts'
import { isTaken } from '../../src/database/errors.ts'
import type { ClaimedRequest } from '../../src/dispatch/claim-requests.sql.ts'
import { promoteRetries } from '../../src/dispatch/due-sweeps.sql.ts'
import { clearTables, useTestDatabase } from '../support/reconcile-world.ts'
import { claim, placeRequests, REPLICA, setBucket } from './store-world.ts'

const OTHER_REPLICA = '0198170e-4ca7-7ee4-89a7-fa6318432222'
const FIRST_POLL_MS = 1000

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const TIMES = { firstLookMs: 100, settleMs: 60_000 }
const CREATED: Outcome = { class: 'created', instanceIds: ['i-1', 'i-2'], httpStatus: 202 }
const UNKNOWN: Outcome = {
  class: 'unknown',
  reason: 'timeout',
  code: 'UND_ERR_HEADERS_TIMEOUT',
  message: 'no answer',
  httpStatus: null,
}
const notCreated = (reason: 'refused' | 'throttled'): Outcome => ({
  class: 'not_created',
  reason,
  code: 'iMetal.0001',
  message: 'no',
  httpStatus: 400,
  retryAfterMs: null,
})

async function claimOne(changes: Parameters<typeof placeRequests>[1] = {}): Promise<ClaimedRequest> {
  await placeRequests(database, { maxCount: 2, ...changes })
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  const { requests } = await claim(database)
  const [request] = requests
  if (request === undefined) throw new Error('nothing was claimed')
  return request
}

const attemptOf = (request: ClaimedRequest, changes: Partial<OpenAttempt> = {}): OpenAttempt => ({
  ...request,
  replicaId: REPLICA,
  from: 'in_flight',
  instanceName: 'web',
  ...changes,
})
const settle = (...rows: SettleRow[]) => settleAttempts(database, rows, FIRST_POLL_MS)

/** All that settling may change, in a form to compare. */
const everything = async () => ({
  requests: await database.prisma.provisionRequest.findMany({ orderBy: { id: 'asc' } }),
  attempts: await database.prisma.attempt.findMany({ orderBy: { id: 'asc' } }),
  instances: await database.prisma.instance.findMany({ orderBy: { id: 'asc' } }),
  transitions: await database.prisma.transition.findMany({ orderBy: { version: 'asc' } }),
  events: await database.prisma.outboxEvent.findMany({ orderBy: { position: 'asc' } }),
})

describe('an outcome', () => {
  test('of creation stores the instances, due for their poll, with history and event', async () => {
    const request = await claimOne()
    expect(await settle(settlementOf(attemptOf(request), CREATED, TIMES))).toMatchObject([
      { attemptId: request.attemptId, provisionRequestId: request.id },
    ])
    const { requests, attempts, instances, transitions, events } = await everything()
    expect(requests).toMatchObject([
      { state: 'provisioning', createdCount: 2, attempts: 1, sealedPassword: null, version: 3 },
    ])
    expect(requests[0]?.dispatchedAt).toBeInstanceOf(Date)
    expect(attempts).toMatchObject([{ state: 'created', replicaId: null, httpStatus: 202 }])
    expect(instances).toMatchObject([
      { id: 'i-1', state: 'pending', polls: 0, attemptId: request.attemptId },
      { id: 'i-2', state: 'pending', polls: 0, attemptId: request.attemptId },
    ])
    for (const { nextPollAt, createdAt } of instances) {
      const waitMs = (nextPollAt?.getTime() ?? 0) - createdAt.getTime()
      expect(waitMs).toBeGreaterThanOrEqual(FIRST_POLL_MS - 1)
      expect(waitMs).toBeLessThanOrEqual(FIRST_POLL_MS * 1.2 + 1)
    }
    expect(transitions.map((row) => [row.fromState, row.toState, row.cause])).toEqual([
      [null, 'queued', 'accepted'],
      ['queued', 'dispatching', 'claimed'],
      ['dispatching', 'provisioning', 'created'],
    ])
    expect(events.map((event) => event.type)).toEqual([
      'provisioner.request.accepted',
      'provisioner.request.dispatched',
    ])
  })

  test('of a refusal ends the request and lets go of its password', async () => {
    const request = await claimOne()
    await settle(settlementOf(attemptOf(request), notCreated('refused'), TIMES))
    const { requests } = await everything()
    expect(requests).toMatchObject([
      { state: 'failed', sealedPassword: null, errorCode: 'iMetal.0001', attempts: 1 },
    ])
    expect(requests[0]?.completedAt).toBeInstanceOf(Date)
  })

  test('of throttling puts the request back where it stood, at no cost', async () => {
    const deadline = new Date(Date.now() + 3_600_000)
    const [id] = await placeRequests(database, { priority: 3, deadline })
    const [before] = (await everything()).requests
    await setBucket(database, 'p', { tokens: 'capacity' })
    const [request] = (await claim(database)).requests
    if (request === undefined) throw new Error('nothing was claimed')
    await settle(settlementOf(attemptOf(request), notCreated('throttled'), TIMES))
    const { requests, attempts } = await everything()
    expect(requests).toMatchObject([
      {
        id,
        state: 'queued',
        attempts: 0,
        attemptNumber: 1,
        queueRank: before?.queueRank,
        expiresAt: deadline,
        sealedPassword: before?.sealedPassword,
        errorCode: null,
      },
    ])
    expect(attempts).toMatchObject([{ state: 'not_created', number: 1 }])
  })

  test('that is unknown keeps the request from the queue and the password for a later attempt', async () => {
    const request = await claimOne()
    await settle(settlementOf(attemptOf(request), UNKNOWN, { ...TIMES, firstLookMs: 5000 }))
    const { requests, attempts } = await everything()
    expect(requests).toMatchObject([{ state: 'uncertain', queueRank: null, retryAt: null }])
    expect(requests[0]?.sealedPassword).not.toBeNull()
    expect(attempts).toMatchObject([{ state: 'uncertain', replicaId: null, finishedAt: null }])
    await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
    expect((await claim(database)).requests).toEqual([])
  })

  test('with a delay waits for it outside the queue, and comes back to its old place', async () => {
    const request = await claimOne({ priority: 2 })
    const row = settlementOf(attemptOf(request), notCreated('throttled'), TIMES)
    await settle({ ...row, retryInMs: 3_600_000 })
    const [waiting] = (await everything()).requests
    expect(waiting).toMatchObject({ state: 'queued', queueRank: null })
    expect(await promoteRetries(database, 10)).toEqual([])
    await database.query(`UPDATE provision_request SET retry_at = now() - interval '1 second'`)
    expect(await promoteRetries(database, 10)).toEqual(['p'])
    const [back] = (await everything()).requests
    expect(back?.retryAt).toBeNull()
    const bonusMs = (back?.createdAt.getTime() ?? 0) - (back?.queueRank?.getTime() ?? 0)
    expect(bonusMs).toBe(2 * 10 * 60_000)
  })
})

describe('the fence', () => {
  test.each<[string, Partial<OpenAttempt>]>([
    ['another replica', { replicaId: OTHER_REPLICA }],
    ['nobody', { replicaId: null }],
    ['the reconciler, which comes too early', { from: 'uncertain', replicaId: null }],
  ])('keeps out an outcome that %s brings', async (_, changes) => {
    const request = await claimOne()
    const before = await everything()
    expect(await settle(settlementOf(attemptOf(request, changes), CREATED, TIMES))).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('keeps out a second outcome of the same attempt', async () => {
    const request = await claimOne()
    await settle(settlementOf(attemptOf(request), UNKNOWN, TIMES))
    const before = await everything()
    expect(await settle(settlementOf(attemptOf(request), CREATED, TIMES))).toEqual([])
    expect(await settle(settlementOf(attemptOf(request), notCreated('refused'), TIMES))).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('lets exactly one of many at the same moment through', async () => {
    const request = await claimOne()
    const outcomes = [CREATED, UNKNOWN, notCreated('refused'), notCreated('throttled')]
    const settled = await Promise.all(
      [...outcomes, ...outcomes].map((outcome) => settle(settlementOf(attemptOf(request), outcome, TIMES))),
    )
    expect(settled.flat()).toHaveLength(1)
    expect((await everything()).transitions).toHaveLength(3)
  })

  test('keeps out an old attempt when the request has a new one', async () => {
    const request = await claimOne()
    await settle(settlementOf(attemptOf(request), notCreated('throttled'), TIMES))
    await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
    const [again] = (await claim(database)).requests
    expect(again).toMatchObject({ id: request.id, attemptNumber: 2, attempts: 1 })
    const before = await everything()
    expect(await settle(settlementOf(attemptOf(request), CREATED, TIMES))).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('judges each row of a batch by itself', async () => {
    const first = await claimOne()
    const second = await claimOne()
    const settled = await settle(
      settlementOf(attemptOf(first, { replicaId: OTHER_REPLICA }), CREATED, TIMES),
      settlementOf(attemptOf(second), { ...CREATED, instanceIds: ['i-9'] }, TIMES),
    )
    expect(settled.map((row) => row.attemptId)).toEqual([second.attemptId])
    expect((await everything()).instances.map((row) => row.id)).toEqual(['i-9'])
  })
})

test('an instance belongs to the attempt that was the first to name it; who else names it is refused', async () => {
  const first = await claimOne()
  const second = await claimOne()
  await settle(settlementOf(attemptOf(first), CREATED, TIMES))
  const before = await everything()
  const row = settlementOf(attemptOf(second), { ...CREATED, instanceIds: ['i-2', 'i-3'] }, TIMES)
  expect(isTaken(await settle(row).catch((error: unknown) => error))).toBe(true)
  expect(await everything()).toEqual(before)
})
