import { beforeEach, describe, expect, test } from 'vitest'
import { applyCredentialResults } from '../../src/budget/apply-credential-results.sql.ts'
import { labelProjects } from '../../src/budget/label-projects.sql.ts'
import { createLateness, LateCallError } from '../../src/budget/lateness.ts'
import { createPaidReading } from '../../src/budget/paid-reading.ts'
import { NO_CREDENTIALS, RefusedCredentialError } from '../../src/budget/paying-credentials.ts'
import { CloudDcNotSentError, CloudDcUnreachableError } from '../../src/clouddc/errors.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { placeRequests, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(async () => {
  await clearTables(database)
  await placeRequests(database)
  // So slow that its level does not change while a test runs.
  await setBucket(database, 'p', {
    refill_per_second: '0.001',
    capacity: '5',
    tokens: '3',
    refilled_at: 'now()',
  })
})

const LIMIT_MS = 60_000
const tokens = async () =>
  Math.floor((await database.prisma.rateBucket.findUniqueOrThrow({ where: { projectId: 'p' } })).tokens)

function readingWith(options: Partial<Parameters<typeof createPaidReading>[0]> = {}) {
  return createPaidReading({
    database,
    projectId: 'p',
    lateness: createLateness(),
    credentials: NO_CREDENTIALS,
    signal: new AbortController().signal,
    onToken: () => undefined,
    ...options,
  })
}

test('a call that was made has cost its token, also where it failed; one that was not made has cost none', async () => {
  const reading = readingWith()
  await reading.pay(LIMIT_MS)
  expect(await tokens()).toBe(2)
  await reading.ended(new CloudDcUnreachableError('no answer', { code: 'TIMEOUT' }))
  expect(await tokens()).toBe(2)
  await reading.pay(LIMIT_MS)
  await reading.ended(new CloudDcNotSentError('the client is closed'))
  expect(await tokens()).toBe(2)
  await reading.pay(LIMIT_MS)
  await reading.ended(null)
  await reading.ended(new CloudDcNotSentError('of no call'))
  expect(await tokens()).toBe(1)
})

test('a token that came too late is paid back, and paid again', async () => {
  let late = 2
  const check = () => {
    late -= 1
    if (late >= 0) throw new LateCallError('held up')
  }
  const reading = readingWith({ lateness: { usualMs: () => 0, check } })
  expect(await reading.pay(LIMIT_MS)).toMatchObject({ granted: true })
  expect(await tokens()).toBe(2)
})

test('a credential that was refused since ends it, and has cost no token', async () => {
  const check = () => {
    throw new RefusedCredentialError('refused')
  }
  const reading = readingWith({ credentials: { ...NO_CREDENTIALS, check } })
  await expect(reading.pay(LIMIT_MS)).rejects.toMatchObject({ name: 'NotPaidError', closed: true })
  expect(await tokens()).toBe(3)
})

test('says whether the bucket is closed, or only has no token in time', async () => {
  const reading = readingWith()
  await setBucket(database, 'p', { tokens: '0' })
  await expect(reading.pay(0)).rejects.toMatchObject({ name: 'NotPaidError', closed: false })
  await setBucket(database, 'p', {
    tokens: '3',
    blocked_until: `now() + interval '1 minute'`,
    blocked_reason: `'throttled'`,
  })
  await expect(reading.pay(LIMIT_MS)).rejects.toMatchObject({ name: 'NotPaidError', closed: true })
})

describe('while the probe of a credential is out', () => {
  const probe = async (reason: 'unproven' | 'unauthorized') => {
    await labelProjects(database, [{ projectId: 'p', credentialId: 'key' }])
    await database.query(
      `INSERT INTO credential_bucket (credential_id, refill_per_second, capacity, tokens, refilled_at, blocked_until, blocked_reason, due_at)
       VALUES ('key', 10, 10, 10, now(), now() - interval '1 second', $1, now() + interval '35 seconds')`,
      reason,
    )
  }

  test('one that was never accepted is waited for: the answer is most likely good, and soon there', async () => {
    await probe('unproven')
    let asked = 0
    const usualMs = () => {
      asked += 1
      return 0
    }
    const paid = readingWith({ lateness: { usualMs, check: () => undefined } }).pay(LIMIT_MS)
    await eventually(() => expect(asked).toBeGreaterThan(1))
    const accepted = { effect: 'clear', leastMs: null, refusals: 0, refunds: [] } as const
    await applyCredentialResults(database, [{ credentialId: 'key', ...accepted }])
    expect(await paid).toMatchObject({ granted: true })
  })

  test('one that was refused is not', async () => {
    await probe('unauthorized')
    await expect(readingWith().pay(LIMIT_MS)).rejects.toMatchObject({ name: 'NotPaidError', closed: true })
  })
})
