import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  applyCredentialResults,
  type CredentialEffect,
} from '../../src/budget/apply-credential-results.sql.ts'
import { labelProjects } from '../../src/budget/label-projects.sql.ts'
import { noteWritten } from '../../src/budget/note-written.sql.ts'
import { CREATE_RESERVE_MS } from '../../src/budget/pay.sql.ts'
import { payForReading } from '../../src/budget/pay-for-reading.sql.ts'
import { syncCredentials } from '../../src/budget/sync-credentials.sql.ts'
import { bucketLimit, type CallLimit } from '../../src/budget/token-bucket.ts'
import { claimPolls } from '../../src/readiness/claim-polls.sql.ts'
import { pay, refill } from '../support/bucket-model.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claim, placePending, placeRequests, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const FAST = { perSecond: 1000, burst: 1000 }

/** Projects with so many requests each, on one credential of its own limit; it is proven, and its bucket full. */
async function placeShared(projects: readonly string[], limit: CallLimit | null, { count = 5 } = {}) {
  for (const projectId of projects) await placeRequests(database, { projectId, count, limit: FAST })
  await labelProjects(
    database,
    projects.map((projectId) => ({ projectId, credentialId: 'key' })),
  )
  const own = limit === null ? { refillPerSecond: 1e6, capacity: 1e9 } : bucketLimit(limit)
  await syncCredentials(database, [{ credentialId: 'key', ...own }])
  for (const projectId of projects) await setBucket(database, projectId, { tokens: 'capacity' })
  await setKey({ tokens: 'capacity', blocked_until: 'NULL', blocked_reason: 'NULL' })
}

async function setKey(columns: Readonly<Record<string, string>>): Promise<void> {
  const list = Object.entries(columns).map(([column, value]) => `${column} = ${value}`)
  await database.query(`UPDATE credential_bucket SET ${list.join(', ')} WHERE credential_id = 'key'`)
}

const readKey = () => database.prisma.credentialBucket.findUniqueOrThrow({ where: { credentialId: 'key' } })
const countBy = (requests: readonly { projectId: string }[]) =>
  Object.fromEntries(
    [...Map.groupBy(requests, ({ projectId }) => projectId)].map(([id, own]) => [id, own.length]),
  )

describe('a credential with a limit', () => {
  test('pays by the rule of the token bucket, for all its projects together', async () => {
    const steps = fc.array(
      fc.record({ idleMs: fc.integer({ min: 0, max: 900 }), slots: fc.integer({ min: 1, max: 8 }) }),
      { minLength: 1, maxLength: 10 },
    )
    const limits = fc.record({
      perSecond: fc.double({ min: 0.5, max: 40, noNaN: true }),
      burst: fc.double({ min: 2, max: 12, noNaN: true }),
    })
    await fc.assert(
      fc.asyncProperty(limits, steps, async (limit, sequence) => {
        await clearTables(database)
        await placeShared(['a', 'b', 'c'], limit, { count: 40 })
        const model = bucketLimit(limit)
        for (const { idleMs, slots } of sequence) {
          await setKey({ refilled_at: `refilled_at - interval '${idleMs} ms'`, due_at: 'NULL' })
          await database.query('UPDATE rate_bucket SET due_at = now()')
          const before = await keyLevel()
          const { requests } = await claim(database, { slots })
          const after = await keyLevel()
          const filled = refill(before, model, after.refilledAt)
          const { paid, roomMs, level } = pay(before, model, { at: after.refilledAt, wanted: slots })
          const onTheEdge = Math.abs(filled.tokens - Math.round(filled.tokens)) < 1e-4
          if (onTheEdge && requests.length !== paid) continue
          expect(requests).toHaveLength(paid)
          expect(after.tokens).toBeCloseTo(level.tokens, 4)
          for (const request of requests) expect(request.roomMs).toBeLessThanOrEqual(roomMs + 0.1)
        }
      }),
      { numRuns: 20, endOnFailure: true },
    )
  })

  const keyLevel = async () => {
    const [row] = await database.query<{ tokens: number; refilledAt: number }>(
      `SELECT tokens, extract(epoch FROM refilled_at - date_trunc('day', now()))::float8 AS "refilledAt" FROM credential_bucket`,
    )
    if (row === undefined) throw new Error('no credential')
    return row
  }

  test('serves each of its projects in turn, and none twice before the others', async () => {
    const projects = Array.from({ length: 20 }, (_, n) => `p${n}`)
    await placeShared(projects, { perSecond: 10, burst: 10 })
    const served: string[] = []
    while (served.length < 40) {
      await setKey({ tokens: '5', refilled_at: `now() + interval '1 hour'`, due_at: 'NULL' })
      served.push(...(await claim(database)).requests.map(({ projectId }) => projectId))
    }
    expect(new Set(served.slice(0, 20)).size).toBe(20)
    expect(new Set(served.slice(20, 40)).size).toBe(20)
  })

  test('holds its projects back until the next token, and no others', async () => {
    await placeShared(['a', 'b'], { perSecond: 0.001, burst: 5 })
    await placeRequests(database, { projectId: 'other', count: 1, limit: FAST })
    await setKey({ tokens: '1', refilled_at: 'now()' })
    const first = await claim(database)
    expect(Object.values(countBy(first.requests))).toEqual([1, 1])
    expect(countBy(first.requests)).toHaveProperty('other')
    const next = await claim(database)
    expect(next.requests).toEqual([])
    expect(next.waitMs).toBeGreaterThan(900_000)
    await placeRequests(database, { projectId: 'other', count: 1, limit: FAST })
    await setBucket(database, 'other', { tokens: '1', due_at: 'now()' })
    expect(countBy((await claim(database)).requests)).toEqual({ other: 1 })
  })

  test('is never paid from twice, however many claim and poll at once', async () => {
    const projects = Array.from({ length: 10 }, (_, n) => `p${n}`)
    // No token flows in while this runs.
    await placeShared(projects, { perSecond: 0.001, burst: 60.5 }, { count: 30 })
    const { capacity } = await readKey()
    const claimed: string[] = []
    const claimAll = async () => {
      for (let idle = 0; idle < 10; ) {
        const { requests } = await claim(database, { slots: 4 })
        claimed.push(...requests.map(({ id }) => id))
        idle = requests.length === 0 ? idle + 1 : 0
      }
    }
    const listAll = async (projectId: string) => {
      for (let n = 0; n < 3; n += 1) {
        const paid = await payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs: 0 })
        if (paid?.granted) claimed.push(`${projectId}-${n}`)
      }
    }
    await Promise.all([claimAll(), claimAll(), claimAll(), ...projects.map(listAll)])
    expect(claimed.length).toBeLessThanOrEqual(capacity)
    expect(claimed.length).toBeGreaterThan(capacity - 10)
    expect(new Set(claimed).size).toBe(claimed.length)
  })

  test('takes back what was not used, while nothing was paid since', async () => {
    await placeShared(['a', 'b'], { perSecond: 0.001, burst: 10 })
    await setKey({ tokens: '3', refilled_at: `now() + interval '1 hour'` })
    const giveBack = (...refunds: string[]) =>
      applyCredentialResults(database, [
        { credentialId: 'key', effect: 'unused', leastMs: null, refusals: 0, refunds },
      ])
    const first = await claim(database, { slots: 2 })
    await giveBack(first.claimId)
    expect((await readKey()).tokens).toBe(2)
    const second = await claim(database, { slots: 1 })
    expect(second.requests).toHaveLength(1)
    await giveBack(first.claimId)
    expect((await readKey()).tokens).toBe(1)
    await giveBack(second.claimId)
    expect((await readKey()).tokens).toBe(2)
  })

  test('keeps a share for polls while creating waits for its tokens', async () => {
    await placePending(database, { projectId: 'c' })
    await placeShared(['a', 'b'], { perSecond: 0.001, burst: 10 })
    await labelProjects(database, [{ projectId: 'c', credentialId: 'key' }])
    await setKey({ tokens: '0.5', refilled_at: 'now()', due_at: 'now()' })
    expect(await pollAll()).toEqual([])
    await setKey({ tokens: '1.5', poll_credit: '1', due_at: 'NULL' })
    await database.query('UPDATE rate_bucket SET due_at = now() WHERE due_at IS NOT NULL')
    expect((await claim(database)).requests).toEqual([])
    await database.query(`UPDATE poll SET due_at = now() - interval '1 second'`)
    expect(await pollAll()).toMatchObject([{ projectId: 'c', credentialId: 'key' }])
    expect((await readKey()).tokens).toBeCloseTo(0.5, 2)
  })

  test('leaves creating two of three calls, however many of its projects are listed', async () => {
    const projects = Array.from({ length: 10 }, (_, n) => `p${n}`)
    await placeShared(projects, { perSecond: 0.001, burst: 10 }, { count: 30 })
    await setKey({ tokens: '0', refilled_at: 'now()' })
    let [created, listed] = [0, 0]
    for (let token = 0; token < 20; token += 1) {
      await setKey({
        refilled_at: `refilled_at - interval '1000 seconds'`,
        listed_at: `listed_at - interval '1000 seconds'`,
        due_at: `now() + interval '1 hour'`,
      })
      for (const projectId of projects) {
        const paid = await payForReading(database, { projectId, purpose: 'listing', share: 0, lateMs: 0 })
        if (paid?.granted) listed += 1
        else expect(paid?.waitMs).toBeGreaterThan(0)
      }
      await setKey({ due_at: 'NULL' })
      await database.query('UPDATE rate_bucket SET due_at = now()')
      created += (await claim(database)).requests.length
    }
    expect({ created, listed }).toEqual({ created: 13, listed: 7 })
  })

  test('gives reading calls the time that its projects can spare', async () => {
    await placeShared(['a'], { perSecond: 0.001, burst: 10 })
    await setBucket(database, 'a', { refill_per_second: '5', capacity: '4.5', tokens: '4.5' })
    await setKey({ tokens: '1', refilled_at: 'now()' })
    const paid = await payForReading(database, {
      projectId: 'a',
      purpose: 'listing',
      share: 0,
      lateMs: 0,
    })
    expect(paid).toMatchObject({ granted: true })
    expect(paid?.roomMs).toBeGreaterThan(300)
  })
})

describe('a credential with a burst below two', () => {
  const ONE = { perSecond: 1, burst: 1 }
  const secondsOf = async (table: string) => {
    const [row] = await database.query<{ seconds: number }>(
      `SELECT max(extract(epoch FROM refilled_at - date_trunc('day', now())))::float8 AS seconds FROM ${table}`,
    )
    return row?.seconds ?? 0
  }

  test('gives one call at a time, with the time of its token, and fills again from its writing', async () => {
    await placeShared(['a', 'b'], ONE)
    const { requests, claimId } = await claim(database)
    expect(requests).toHaveLength(1)
    const [request] = requests
    expect(request?.tokenAt).not.toBeNull()
    expect(request?.roomMs).toBeLessThanOrEqual(CREATE_RESERVE_MS)
    expect((await claim(database)).requests).toEqual([])

    const [reserved, project] = [await secondsOf('credential_bucket'), await secondsOf('rate_bucket')]
    const note = { projectId: request?.projectId ?? '', credentialId: 'key', payment: claimId, lateMs: 30 }
    await noteWritten(database, [note])
    expect(reserved - (await secondsOf('credential_bucket'))).toBeCloseTo((CREATE_RESERVE_MS - 30) / 1000, 3)
    // The project's bucket is not tight: it got no time back.
    expect(await secondsOf('rate_bucket')).toBe(project)
    await noteWritten(database, [note])
    expect(reserved - (await secondsOf('credential_bucket'))).toBeCloseTo((CREATE_RESERVE_MS - 30) / 1000, 3)
  })

  test('makes a call of a project with a tight bucket wait for the later of both tokens', async () => {
    await placeShared(['a'], ONE)
    await setBucket(database, 'a', {
      capacity: '1',
      refill_per_second: '1',
      tokens: '0.9',
      refilled_at: 'now()',
    })
    await setKey({ tokens: '0.95', refilled_at: 'now()' })
    const [set] = await database.query<{ ms: number }>(
      'SELECT extract(epoch FROM refilled_at)::float8 * 1000 AS ms FROM rate_bucket',
    )
    const laterMs = (set?.ms ?? 0) + 100
    const { requests, clockMs } = await claim(database)
    const tokenAt = requests[0]?.tokenAt ?? 0
    expect(tokenAt).toBeGreaterThanOrEqual(laterMs - 1)
    // Whoever comes only after its time has it at once.
    expect(tokenAt).toBeLessThanOrEqual(Math.max(laterMs, clockMs) + 1)
    expect(await secondsOf('credential_bucket')).toBeCloseTo(await secondsOf('rate_bucket'), 5)
  })
})

const pollAll = async () => {
  const { polls } = await claimPolls(database, {
    limit: 100,
    intervalsMs: [5000],
    idsPerCall: 100,
    share: 0.02,
    postponeMs: 1000,
    exceptProjects: [],
    callsPerProject: 4,
    calls: 64,
    lateMs: 0,
    payment: '0198170e-4ca7-7ee4-89a7-fa6318432222',
    provisionTimeoutMs: 3_600_000,
    serverWaitMs: 60_000,
  })
  return polls
}

describe('a refused credential', () => {
  const tell = (effect: CredentialEffect['effect'], { leastMs = null as number | null, refusals = 0 } = {}) =>
    applyCredentialResults(database, [{ credentialId: 'key', effect, leastMs, refusals, refunds: [] }])
  const refuse = (leastMs: number | null = null, refusals = 0) => tell('trouble', { leastMs, refusals })
  const clear = () => tell('clear')
  const over = () => setKey({ blocked_until: `now() - interval '1 second'`, due_at: 'now()' })

  test('is closed for all its projects at once, and then sends one probe for all', async () => {
    await placePending(database, { projectId: 'd' })
    await placeShared(['a', 'b', 'c'], null)
    await labelProjects(database, [{ projectId: 'd', credentialId: 'key' }])
    await refuse()
    expect((await claim(database)).requests).toEqual([])
    expect(await pollAll()).toEqual([])
    const { waitMs } = await claim(database)
    expect(waitMs).toBeGreaterThan(2000)
    expect(waitMs).toBeLessThanOrEqual(5500)

    await over()
    const probes = await Promise.all([claim(database), claim(database), claim(database)])
    expect(probes.flatMap(({ requests }) => requests)).toMatchObject([{ credentialProbing: true }])
    await database.query(`UPDATE poll SET due_at = now() - interval '1 second'`)
    expect(await pollAll()).toEqual([])
  })

  test('is probed by one reading call as well as by a creating one', async () => {
    await placePending(database, { projectId: 'd' })
    await placeShared(['a'], null)
    await labelProjects(database, [{ projectId: 'd', credentialId: 'key' }])
    await refuse()
    await over()
    expect(await pollAll()).toMatchObject([{ projectId: 'd', credentialProbing: true }])
    expect((await claim(database)).requests).toEqual([])
    const listing = { projectId: 'd', purpose: 'listing', share: 0, lateMs: 0 } as const
    expect(await payForReading(database, listing)).toMatchObject({ granted: false, closed: true })
  })

  test('counts what fails while it is closed as one trouble, and waits longer each time', async () => {
    await placeShared(['a'], null)
    await Promise.all(Array.from({ length: 8 }, () => refuse()))
    expect((await readKey()).troubles).toBe(1)
    for (const troubles of [2, 3, 4]) {
      await over()
      await refuse()
      expect((await readKey()).troubles).toBe(troubles)
    }
    const { blockedUntil } = await readKey()
    const leftMs = Number(blockedUntil) - Date.now()
    expect(leftMs).toBeGreaterThan(19_000)
    expect(leftMs).toBeLessThanOrEqual(44_500)
  })

  test.each([
    ['alone', [1]],
    ['two at once', [2]],
    ['three at once', [3]],
    ['three by as many replicas', [1, 1, 1]],
  ])(
    'whose wrong key is shown first %s is shown four times in ten minutes: five in a row would lock it',
    async (_, first) => {
      await placeShared(['a'], null)
      for (const refusals of first) await refuse(null, refusals)
      let shown = first.reduce((sum, refusals) => sum + refusals)
      let shownAfterMs = 0
      for (;;) {
        shownAfterMs += Number((await readKey()).blockedUntil) - Date.now()
        shown += 1
        if (shown === 5) break
        await over()
        await refuse(null, 1)
      }
      expect(shownAfterMs).toBeGreaterThan(599_000)
    },
  )

  test('is tried again after seconds, however many calls were refused at once', async () => {
    await placeShared(['a'], null)
    await refuse(null, 7)
    await refuse(null, 20)
    expect(Number((await readKey()).blockedUntil) - Date.now()).toBeLessThanOrEqual(5500)
  })

  test('that is locked is waited out, also where it was closed already', async () => {
    await placeShared(['a'], null)
    await refuse()
    await refuse(315_000)
    expect(Number((await readKey()).blockedUntil) - Date.now()).toBeGreaterThan(300_000)
  })

  test('opens for all after a good answer, but not by one that was sent before', async () => {
    await placeShared(['a', 'b'], null)
    await refuse()
    await clear()
    expect((await claim(database)).requests).toEqual([])
    await over()
    await clear()
    expect(countBy((await claim(database)).requests)).toEqual({ a: 5, b: 5 })
    expect(await readKey()).toMatchObject({ troubles: 0, blockedReason: null, dueAt: null })
  })

  test('lets the next probe go when one came back without a call', async () => {
    await placeShared(['a', 'b'], null)
    await refuse()
    await over()
    const { requests, claimId } = await claim(database)
    expect(requests).toHaveLength(1)
    await applyCredentialResults(database, [
      { credentialId: 'key', effect: 'unused', leastMs: null, refusals: 0, refunds: [claimId] },
    ])
    expect((await claim(database)).requests).toMatchObject([{ credentialProbing: true }])
  })

  test('waits for the outcome of its probe as long as a call may take, and less where that says nothing', async () => {
    await placeShared(['a', 'b'], null)
    await refuse()
    await over()
    expect((await claim(database)).requests).toHaveLength(1)
    expect(Number((await readKey()).dueAt) - Date.now()).toBeGreaterThan(30_000)
    await tell('silent')
    const leftMs = Number((await readKey()).dueAt) - Date.now()
    expect(leftMs).toBeGreaterThan(0)
    expect(leftMs).toBeLessThanOrEqual(5000)
  })

  test('stays closed where a call that was sent before says nothing', async () => {
    await placeShared(['a'], null)
    await refuse(315_000)
    await tell('silent')
    expect(Number((await readKey()).dueAt) - Date.now()).toBeGreaterThan(300_000)
  })
})

describe('a credential that nobody has seen accepted', () => {
  test('sends one call first, and waits for its outcome', async () => {
    await placeShared(['a', 'b', 'c'], { perSecond: 10, burst: 10 })
    await database.query('DELETE FROM credential_bucket')
    const limit = bucketLimit({ perSecond: 10, burst: 10 })
    await syncCredentials(database, [{ credentialId: 'key', ...limit }])
    await syncCredentials(database, [{ credentialId: 'key', ...limit }])
    expect((await claim(database)).requests).toMatchObject([{ credentialProbing: true }])
    expect((await claim(database)).waitMs).toBeGreaterThan(30_000)
    const silence = {
      credentialId: 'key',
      effect: 'silent',
      leastMs: null,
      refusals: 0,
      refunds: [],
    } as const
    await applyCredentialResults(database, [silence])
    const { waitMs } = await claim(database)
    expect(waitMs).toBeGreaterThan(0)
    expect(waitMs).toBeLessThanOrEqual(1000)
  })
})
