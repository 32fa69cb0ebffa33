import { beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type SettleRow, settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import type { OpenAttempt } from '../../src/attempt/settlement.ts'
import { isTaken } from '../../src/database/errors.ts'
import { parseHistory } from '../../src/request/history.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import {
  type Claimed,
  claimNext,
  notCreated,
  POLL_TIMES,
  placeRequests,
  settlementFor,
  UNKNOWN,
} from './statement-world.ts'

const OTHER_CLAIM = '0198170e-4ca7-7ee4-89a7-fa6318432222'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const CREATED: Outcome = { class: 'created', instanceIds: ['i-1', 'i-2'], httpStatus: 202 }

async function claimOne(): Promise<Claimed> {
  await placeRequests(database, { maxCount: 2 })
  return claimNext(database)
}

const settle = (...rows: SettleRow[]) => settleAttempts(database, rows, POLL_TIMES)

/** All that settling may change, in a form to compare. */
const everything = async () => ({
  requests: await database.prisma.provisionRequest.findMany({ orderBy: { id: 'asc' } }),
  parts: await database.prisma.historyPart.findMany(),
  claims: await database.prisma.claim.findMany({ orderBy: { id: 'asc' } }),
  looks: await database.prisma.look.findMany(),
  instances: await database.prisma.instance.findMany({ orderBy: { id: 'asc' } }),
  polls: await database.prisma.poll.findMany(),
  segments: await database.prisma.outboxSegment.findMany({ orderBy: { position: 'asc' } }),
})

describe('the fence', () => {
  test.each<[string, Partial<OpenAttempt>]>([
    ['another claim', { claimId: OTHER_CLAIM }],
    ['no claim', { claimId: null }],
    ['another attempt', { attempt: 2 }],
    ['the reconciler, which comes too early', { from: 'uncertain', claimId: null }],
  ])('keeps out an outcome of %s', async (_, changes) => {
    const claimed = await claimOne()
    const before = await everything()
    expect(await settle(settlementFor(claimed, CREATED, changes))).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('keeps out a second outcome of the same attempt', async () => {
    const claimed = await claimOne()
    await settle(settlementFor(claimed, UNKNOWN))
    const before = await everything()
    expect(await settle(settlementFor(claimed, CREATED))).toEqual([])
    expect(await settle(settlementFor(claimed, notCreated('refused')))).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('lets exactly one of many at the same moment through', async () => {
    const claimed = await claimOne()
    const outcomes = [CREATED, UNKNOWN, notCreated('refused'), notCreated('throttled')]
    const settled = await Promise.all(
      [...outcomes, ...outcomes].map((outcome) => settle(settlementFor(claimed, outcome))),
    )
    expect(settled.flat()).toHaveLength(1)
    const { requests } = await everything()
    expect(parseHistory(requests.map(({ history }) => history)).map(({ v }) => v)).toEqual([1, 2, 3])
    expect(requests).toMatchObject([{ version: 3 }])
  })

  test('keeps out an old attempt when the request has a new one', async () => {
    const claimed = await claimOne()
    await settle(settlementFor(claimed, notCreated('throttled')))
    const again = await claimNext(database)
    expect(again).toMatchObject({ id: claimed.id, attempt: 2, attempts: 1 })
    const before = await everything()
    expect(await settle(settlementFor(claimed, CREATED))).toEqual([])
    expect(await settle(settlementFor(claimed, CREATED, { claimId: again.claimId }))).toEqual([])
    expect(await everything()).toEqual(before)
  })

  test('judges each row of a batch by itself', async () => {
    const first = await claimOne()
    const second = await claimOne()
    const settled = await settle(
      settlementFor(second, { ...CREATED, instanceIds: ['i-9'] }),
      settlementFor(first, CREATED, { claimId: OTHER_CLAIM }),
    )
    expect(settled.map((row) => row.id)).toEqual([second.id])
    const { instances, segments } = await everything()
    expect(instances.map((row) => row.id)).toEqual(['i-9'])
    expect(segments.at(-1)?.refs).toBe(JSON.stringify([second.id, 3]))
  })
})

test('an instance belongs to the attempt that was the first to name it; who else names it is refused', async () => {
  const first = await claimOne()
  const second = await claimOne()
  await settle(settlementFor(first, CREATED))
  const before = await everything()
  const row = settlementFor(second, { ...CREATED, instanceIds: ['i-2', 'i-3'] })
  expect(isTaken(await settle(row).catch((error: unknown) => error))).toBe(true)
  expect(await everything()).toEqual(before)
})

test('a claim goes with the settlement that says that nothing of it is left', async () => {
  const first = await claimOne()
  const second = await claimOne()
  await settle(settlementFor(first, CREATED))
  const ids = async () => (await database.prisma.claim.findMany()).map(({ id }) => id)
  expect((await ids()).toSorted()).toEqual([first.claimId, second.claimId].toSorted())
  await settleAttempts(database, [settlementFor(second, notCreated('refused'))], POLL_TIMES, [first.claimId])
  expect(await ids()).toEqual([second.claimId])
})
