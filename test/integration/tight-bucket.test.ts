import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { noteWritten } from '../../src/budget/note-written.sql.ts'
import { CLAIM_AHEAD_MS, CREATE_RESERVE_MS } from '../../src/budget/pay.sql.ts'
import { payForReading } from '../../src/budget/pay-for-reading.sql.ts'
import { bucketLimit } from '../../src/budget/token-bucket.ts'
import type { ClaimedRequest } from '../../src/dispatch/claim-requests.sql.ts'
import { runDispatcher } from '../support/dispatch-world.ts'
import { eventually } from '../support/eventually.ts'
import { createReconcileWorld } from '../support/reconcile-world.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claim, placeRequests, readBucket, SHARE, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const LIMIT = { perSecond: 1, burst: 1 }
const INTERVAL_MS = 1000 / bucketLimit(LIMIT).refillPerSecond

/** Moves the bucket's past, so that `ms` have gone by. */
const pass = (ms: number) =>
  setBucket(database, 'p', { refilled_at: `refilled_at - interval '${ms} ms'`, due_at: 'now()' })

async function claimOne(): Promise<ClaimedRequest & { claimId: string; waitsMs: number }> {
  const { requests, clockMs, claimId } = await claim(database)
  expect(requests).toHaveLength(1)
  const [request] = requests as [ClaimedRequest]
  return { ...request, claimId, waitsMs: (request.tokenAt ?? 0) - clockMs }
}

const millisecondsOf = async (expression: string): Promise<number> => {
  const [row] = await database.query<{ ms: number }>(
    `SELECT extract(epoch FROM ${expression})::float8 * 1000 AS ms FROM rate_bucket`,
  )
  return row?.ms ?? 0
}

const note = ({ claimId }: { claimId: string }, lateMs: number) =>
  noteWritten(database, [{ projectId: 'p', credentialId: 'none', payment: claimId, lateMs }])

describe('a bucket of a burst below two', () => {
  test('gives a token a little before its time, with the time', async () => {
    await placeRequests(database, { count: 3, limit: LIMIT })
    await setBucket(database, 'p', { tokens: '0', refilled_at: `now() + interval '10 s'` })
    const early = await claim(database)
    expect(early.requests).toEqual([])
    expect(early.waitMs).toBeGreaterThan(0)
    expect(early.waitMs).toBeLessThanOrEqual(10_000 + INTERVAL_MS - CLAIM_AHEAD_MS)

    const untilFull = INTERVAL_MS - CLAIM_AHEAD_MS + 1
    await setBucket(database, 'p', { refilled_at: `now() - interval '${untilFull} ms'`, due_at: 'now()' })
    const fullAt = (await millisecondsOf('refilled_at')) + INTERVAL_MS
    const request = await claimOne()
    expect(request.waitsMs).toBeLessThanOrEqual(CLAIM_AHEAD_MS)
    // Whoever comes only after its time has it at once.
    if (request.waitsMs > 0) expect(request.tokenAt).toBeCloseTo(fullAt, 1)
    expect(await readBucket(database)).toMatchObject({ tokens: 0 })
  })

  test('fills again from when the call was written, and until that is known from the end of the reserve', async () => {
    await placeRequests(database, { count: 2, limit: LIMIT })
    const request = await claimOne()
    const reserved = await readBucket(database)
    expect(reserved.dueAt).toBeCloseTo(reserved.refilledAt + (INTERVAL_MS - CLAIM_AHEAD_MS) / 1000, 3)
    await note(request, 30)
    const written = await readBucket(database)
    expect(reserved.refilledAt - written.refilledAt).toBeCloseTo((CREATE_RESERVE_MS - 30) / 1000, 3)
    expect(written.dueAt).toBeCloseTo(written.refilledAt + (INTERVAL_MS - CLAIM_AHEAD_MS) / 1000, 3)
  })

  test('takes no note for an older token, none twice, and none of a call beyond the reserve', async () => {
    await placeRequests(database, { count: 3, limit: LIMIT })
    const first = await claimOne()
    await note(first, CREATE_RESERVE_MS)
    await pass(CREATE_RESERVE_MS + INTERVAL_MS)
    const second = await claimOne()
    const { refilledAt } = await readBucket(database)
    await note(first, 0)
    expect((await readBucket(database)).refilledAt).toBe(refilledAt)
    await note(second, 10)
    const noted = await readBucket(database)
    await note(second, 0)
    expect(await readBucket(database)).toEqual(noted)
  })

  test('keeps any two calls as far apart as the limit says, whoever makes them and however late', async () => {
    const steps = fc.array(
      fc.record({
        idleMs: fc.integer({ min: 0, max: 3000 }),
        by: fc.constantFrom('creating', 'creating', 'polling', 'listing'),
        late: fc.double({ min: 0, max: 0.99, noNaN: true }),
        noted: fc.boolean(),
      }),
      { minLength: 2, maxLength: 20 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        await clearTables(database)
        await placeRequests(database, { count: 30, limit: LIMIT })
        let passedMs = 0
        const written: number[] = []
        for (const { idleMs, by, late, noted } of sequence) {
          await pass(idleMs)
          passedMs += idleMs
          if (by === 'creating') {
            const { requests, claimId } = await claim(database)
            for (const request of requests) {
              const lateMs = late * CREATE_RESERVE_MS
              written.push((request.tokenAt ?? 0) + passedMs + lateMs)
              if (noted) await note({ claimId }, lateMs)
            }
            continue
          }
          const takenAfter = (await millisecondsOf('clock_timestamp()')) + passedMs
          const payment = await payForReading(database, {
            projectId: 'p',
            purpose: by === 'polling' ? 'poll' : 'listing',
            share: SHARE,
            lateMs: 0,
          })
          if (payment?.granted) written.push(takenAfter + late * (payment.roomMs - 10))
        }
        for (const [index, at] of written.slice(1).entries())
          expect(at - (written[index] ?? 0)).toBeGreaterThanOrEqual(1000 / LIMIT.perSecond - 0.01)
      }),
      { numRuns: 12, endOnFailure: true },
    )
  })
})

test('a call of a burst of one that is held up after its claim is made all the same', async () => {
  const world = await createReconcileWorld(database)
  const ids = [(await world.place()).id, (await world.place()).id]
  await database.query(`UPDATE rate_bucket SET tokens = 1, capacity = 1, refill_per_second = 19.8`)
  let calls = 0
  await runDispatcher(world, {
    client: {
      ...world.client,
      batchCreate: async (call) => {
        calls += 1
        if (calls === 2) await sleep(200)
        return world.client.batchCreate(call)
      },
    },
  })
  for (const id of ids) {
    await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
    const { attemptRecords } = await world.request(id)
    const messages = attemptRecords.map(({ evidence }) => String(evidence?.error_message ?? ''))
    // Only a machine that stands still for a second uses up the reserve.
    expect(messages.filter((message) => /held up for \d{1,3} ms/.test(message))).toEqual([])
  }
})
