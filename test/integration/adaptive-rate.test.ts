import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { recoverRates } from '../../src/budget/adaptive-rate.sql.ts'
import { applyCallResults } from '../../src/budget/apply-call-results.sql.ts'
import { syncBuckets } from '../../src/budget/sync-buckets.sql.ts'
import { createDatabase, type Database } from '../../src/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let own: TestDatabase
let database: Database

beforeAll(async () => {
  own = await createTestDatabase()
  database = createDatabase({ url: own.url, poolSize: 2, logger: pino({ level: 'silent' }) })
})
afterAll(async () => {
  await database.close()
  await own.drop()
})
beforeEach(async () => {
  await own.query('TRUNCATE rate_bucket')
  await own.query(
    `INSERT INTO rate_bucket (project_id, refill_per_second, capacity, tokens, refilled_at)
     VALUES ('slow', 10, 5, 1, now()), ('other', 10, 5, 1, now())`,
  )
})

const throttled = {
  projectId: 'slow',
  effect: 'trouble',
  blockMs: 60_000,
  reason: 'throttled',
  slowDown: 0.7,
} as const

async function factors(): Promise<Record<string, number>> {
  const rows = await database.query<{ id: string; factor: number }>(
    'SELECT project_id AS id, rate_factor AS factor FROM rate_bucket',
  )
  return Object.fromEntries(rows.map(({ id, factor }) => [id, factor]))
}

it('a 429 slows down its own project, once for all calls that meet the same closed gate', async () => {
  await applyCallResults(database, [throttled])
  await applyCallResults(database, [throttled])
  expect(await factors()).toEqual({ slow: 0.7, other: 1 })
})

it('without the mode, a 429 closes the bucket and leaves the rate alone', async () => {
  const { slowDown: _, ...plain } = throttled
  await applyCallResults(database, [plain])
  expect(await factors()).toEqual({ slow: 1, other: 1 })
})

it('a rate never falls to nothing', async () => {
  for (let n = 0; n < 20; n += 1) {
    await applyCallResults(database, [{ ...throttled, blockMs: 0 }])
  }
  expect((await factors()).slow).toBe(0.05)
})

it('a slowed rate recovers to the configured one and no further', async () => {
  await applyCallResults(database, [throttled])
  await recoverRates(database, 20_000)
  expect((await factors()).slow).toBeCloseTo(0.9)
  await recoverRates(database, 20_000)
  expect(await factors()).toEqual({ slow: 1, other: 1 })
})

it('a slowed rate is whole again at the next start without the mode', async () => {
  await applyCallResults(database, [throttled])
  const limits = { standard: { refillPerSecond: 10, capacity: 5 }, overrides: [] }
  await syncBuckets(database, limits, true)
  expect((await factors()).slow).toBe(0.7)
  await syncBuckets(database, limits, false)
  expect((await factors()).slow).toBe(1)
})
