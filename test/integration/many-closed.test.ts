import { beforeEach, expect, test } from 'vitest'
import { applyCallResults } from '../../src/budget/apply-call-results.sql.ts'
import { labelProjects } from '../../src/budget/label-projects.sql.ts'
import { syncCredentials } from '../../src/budget/sync-credentials.sql.ts'
import { bucketLimit } from '../../src/budget/token-bucket.ts'
import type { BlockedReason } from '../../src/request/waiting.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { placeRequests } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

/** A project `p`, and so many others with the same credential that are closed. */
async function placeBeside(count: number, reason: BlockedReason = 'forbidden') {
  await placeRequests(database)
  await database.query(
    `INSERT INTO rate_bucket (project_id, credential_id, refill_per_second, capacity, tokens, refilled_at, due_at, blocked_until, blocked_reason)
     SELECT 'misspelt-' || n, 'key', 5, 4.5, 1, now(), now() + interval '1 hour', now() + interval '1 hour', $2
     FROM generate_series(1, $1::int) n`,
    count,
    reason,
  )
  await labelProjects(database, [{ projectId: 'p', credentialId: 'key' }])
}

const limitKey = (perSecond: number) =>
  syncCredentials(database, [{ credentialId: 'key', ...bucketLimit({ perSecond, burst: 10 }) }])

/** Seconds that a refusal closes project `p` for which it would be closed for five seconds alone. */
async function closedSeconds(reason: BlockedReason = 'forbidden'): Promise<number> {
  await applyCallResults(database, [{ projectId: 'p', effect: 'trouble', blockMs: 5000, reason }])
  const [row] = await database.query<{ seconds: number }>(
    `SELECT extract(epoch FROM least(blocked_until, due_at) - now())::float8 AS seconds FROM rate_bucket WHERE project_id = 'p'`,
  )
  return row?.seconds ?? Number.NaN
}

test('a refused project is probed as soon as ever beside a few others', async () => {
  await placeBeside(5)
  expect(await closedSeconds()).toBeLessThanOrEqual(5)
})

test('the more projects are refused, the rarer each is probed: twice a second all together', async () => {
  await placeBeside(1000)
  const seconds = await closedSeconds()
  expect(seconds).toBeGreaterThan(370)
  expect(seconds).toBeLessThanOrEqual(625)
})

test('of a limited credential they take a twentieth', async () => {
  await placeBeside(100)
  await limitKey(10)
  const seconds = await closedSeconds()
  expect(seconds).toBeGreaterThan(145)
  expect(seconds).toBeLessThanOrEqual(250)
})

test('none waits for longer than half an hour', async () => {
  await placeBeside(3000)
  await limitKey(1)
  const seconds = await closedSeconds()
  expect(seconds).toBeGreaterThan(1790)
  expect(seconds).toBeLessThanOrEqual(1800)
})

test('other troubles, and those of other projects, change nothing', async () => {
  await placeBeside(1000, 'throttled')
  expect(await closedSeconds()).toBeLessThanOrEqual(5)
  await database.query(`UPDATE rate_bucket SET blocked_reason = 'forbidden' WHERE project_id <> 'p'`)
  await database.query(
    `UPDATE rate_bucket SET blocked_until = now() - interval '1 second' WHERE project_id = 'p'`,
  )
  expect(await closedSeconds('throttled')).toBeLessThanOrEqual(5)
})
