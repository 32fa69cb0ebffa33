import { expect, test } from 'vitest'
import { payForReading } from '../../src/budget/pay-for-reading.sql.ts'
import { createReconcileWorld, PROJECT, useTestDatabase } from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const payForListing = (projectId = PROJECT) =>
  payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs: 0 })

/** A bucket so slow that its level does not change while a test runs. */
const setBucket = (columns: string) =>
  database.query(
    `UPDATE rate_bucket SET refill_per_second = 0.001, capacity = 5, poll_credit = 0, refilled_at = now(), ${columns}`,
  )
const bucket = () => database.prisma.rateBucket.findUniqueOrThrow({ where: { projectId: PROJECT } })

test('a listing takes a token that is there, also while work is queued', async () => {
  const world = await createReconcileWorld(database)
  await world.place()
  await setBucket('tokens = 2.5')
  expect(await payForListing()).toMatchObject({ granted: true, waitMs: 0 })
  expect((await bucket()).tokens).toBeCloseTo(1.5, 2)
})

test('without a token it says when there is one, and creating leaves the next one for it', async () => {
  const world = await createReconcileWorld(database)
  await world.place()
  await setBucket('tokens = 0.5')
  const refused = await payForListing()
  expect(refused?.granted).toBe(false)
  expect(Number(refused?.waitMs)).toBeCloseTo(500_000, -3)
  expect((await bucket()).tokens).toBeCloseTo(0.5, 2)

  await setBucketLevel(1.5)
  expect(await world.claimAsIs()).toEqual([])
  expect(await payForListing()).toMatchObject({ granted: true })
})

const setBucketLevel = (tokens: number) =>
  database.query('UPDATE rate_bucket SET tokens = $1::float8, refilled_at = now()', tokens)

test('a closed bucket gives nothing before its time, and lends nothing', async () => {
  const world = await createReconcileWorld(database)
  await world.place()
  await setBucket(`tokens = 5, blocked_until = now() + interval '10 seconds', blocked_reason = 'throttled'`)
  const refused = await payForListing()
  expect(refused?.granted).toBe(false)
  expect(Number(refused?.waitMs)).toBeGreaterThan(9000)
  expect(await bucket()).toMatchObject({ tokens: 5, pollCredit: 0, pollWantedUntil: null })
})

test('takers at the same moment share what is there', async () => {
  const world = await createReconcileWorld(database)
  await world.place()
  await setBucket('tokens = 3')
  const taken = await Promise.all(Array.from({ length: 8 }, () => payForListing()))
  expect(taken.filter((payment) => payment?.granted)).toHaveLength(3)
  expect((await bucket()).tokens).toBeLessThan(1)
})

test('a project without a bucket has none to take', async () => {
  await createReconcileWorld(database)
  expect(await payForListing('nobody')).toBeNull()
})
