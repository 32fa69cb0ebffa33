import { beforeEach, describe, expect, test } from 'vitest'
import { payForReading } from '../../src/budget/pay-for-reading.sql.ts'
import { restorePolls } from '../../src/readiness/restore-polls.sql.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claimDue, cutPolls, idsOf, readClock, readPolls, SLOW_POLL } from './poll-world.ts'
import { claim, makePollsDue, placePending, placeRequests, readBucket, setBucket } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const placeInstances = (count: number, projectId = 'p') => placePending(database, { count, projectId })
const makeDue = () => makePollsDue(database)
const sizesOf = async () => (await readPolls(database)).map(({ members }) => members.length)

/** Whether the bucket pays for a poll of a single instance. */
const paysFor = async (share: number) =>
  (await payForReading(database, { projectId: 'p', purpose: 'poll', share, lateMs: 0 }))?.granted

/** Members of polls whose time has come. */
async function dueNow(): Promise<number> {
  const now = await readClock(database)
  const due = (await readPolls(database)).filter(({ dueMs }) => dueMs <= now)
  return due.reduce((sum, { members }) => sum + members.length, 0)
}

describe('a claim of polls', () => {
  test('costs one token for each hundred instances of a project', async () => {
    await placeInstances(250)
    await setBucket(database, 'p', { tokens: '5', refill_per_second: '0.001', refilled_at: 'now()' })
    const before = await readBucket(database)
    const { polls } = await claimDue(database)
    expect(polls.map(({ members }) => members.length).toSorted((one, next) => next - one)).toEqual([
      100, 100, 50,
    ])
    const known = (await readPolls(database)).map(({ id, members }) => ({ id, members }))
    expect(known).toHaveLength(3)
    for (const { id, members } of polls) expect(known).toContainEqual({ id, members })
    const after = await readBucket(database)
    expect(before.tokens - after.tokens).toBeGreaterThan(2)
    expect(before.tokens - after.tokens).toBeLessThanOrEqual(3)
  })

  test('takes no instance twice, however many claim at once', async () => {
    await placeInstances(100, 'a')
    await placeInstances(100, 'b')
    await cutPolls(database, 7)
    const claims = await Promise.all(
      Array.from({ length: 6 }, () => claimDue(database, { limit: 5, idsPerCall: 10 })),
    )
    const ids = claims.flatMap(({ polls }) => idsOf(polls))
    expect(ids.length).toBeGreaterThan(60)
    expect(new Set(ids).size).toBe(ids.length)
    expect((await sizesOf()).reduce((sum, size) => sum + size, 0)).toBe(200)
  })

  test('moves each poll on to the next, ever later, up to the longest interval', async () => {
    await placeInstances(1)
    for (const [index, interval] of [1000, 1500, 2250, 3000, 3000].entries()) {
      await makeDue()
      const [known] = await readPolls(database)
      const before = await readClock(database)
      const { polls } = await claimDue(database)
      const after = await readClock(database)
      const [stored] = await readPolls(database)
      expect(stored).toMatchObject({ polls: index + 1, id: polls[0]?.id, members: polls[0]?.members })
      expect(stored?.id).not.toBe(known?.id)
      // A poll falls on a grid of a fifth of its interval.
      expect(stored?.dueMs).toBeGreaterThanOrEqual(before + interval - 1)
      expect(stored?.dueMs).toBeLessThanOrEqual(after + interval * 1.2 + 1)
    }
  })

  test('deals instances out anew: as few calls as they fill, in the pace of the youngest', async () => {
    await placeInstances(25)
    await cutPolls(database, 5)
    await database.query(`UPDATE poll SET polls = 7 WHERE id IN (SELECT id FROM poll ORDER BY id LIMIT 3)`)
    const before = new Set((await readPolls(database)).flatMap(({ members }) => members.map(({ id }) => id)))
    const { polls } = await claimDue(database, { idsPerCall: 10 })
    expect(polls.map(({ members }) => members.length).toSorted((one, next) => next - one)).toEqual([
      10, 10, 5,
    ])
    expect(new Set(idsOf(polls))).toEqual(before)
    const stored = await readPolls(database)
    expect(stored.map((row) => row.polls).toSorted()).toEqual([1, 1, 8])
  })

  test('moves a poll that makes a call by itself on with another id, in the same pace', async () => {
    await placeInstances(100)
    const [known] = await readPolls(database)
    const before = await readClock(database)
    await claimDue(database)
    const after = await readClock(database)
    const [stored] = await readPolls(database)
    expect(stored).toMatchObject({ polls: 1, limitMs: known?.limitMs, members: known?.members })
    expect(stored?.id).not.toBe(known?.id)
    expect(stored?.dueMs).toBeGreaterThanOrEqual(before + 1000 - 1)
    expect(stored?.dueMs).toBeLessThanOrEqual(after + 1200 + 1)
  })

  test('polls at the end of the time limit, not only after it', async () => {
    await placeInstances(1)
    const now = await readClock(database)
    const limitMs = Math.round(now) + 300_000
    await database.query(`UPDATE poll SET limit_at = to_timestamp($1::float8 / 1000), polls = 50`, limitMs)
    await claimDue(database, { poll: SLOW_POLL })
    expect((await readPolls(database))[0]?.dueMs).toBeCloseTo(limitMs, 0)
  })

  test('makes a limit that is over anew, from those that are left', async () => {
    await placeInstances(2)
    const now = Math.round(await readClock(database))
    const members = [
      ['early', now - 60_000, null, null],
      ['waits', now - 90_000, now - 20_000, null],
    ]
    await database.query(
      `UPDATE poll SET limit_at = now() - interval '1 second', members = $1::text[]`,
      members.map((member) => JSON.stringify(member)),
    )
    await claimDue(database, { poll: SLOW_POLL })
    expect(await readPolls(database)).toMatchObject([{ limitMs: now + 40_000, dueMs: now + 40_000 }])
  })

  test('asks again soon for what is over its limit, until there is an answer', async () => {
    await placeInstances(1)
    await database.query(`UPDATE poll SET limit_at = now() - interval '1 second', polls = 50`)
    const before = await readClock(database)
    await claimDue(database, { poll: SLOW_POLL, provisionTimeoutMs: 0 })
    const after = await readClock(database)
    const [stored] = await readPolls(database)
    expect(stored?.dueMs).toBeGreaterThanOrEqual(before + 500 - 1)
    expect(stored?.dueMs).toBeLessThanOrEqual(after + 500 + 1)
  })

  test('fills its calls where more are due than it looks at, and leaves the rest due', async () => {
    await placeInstances(35, 'a')
    await cutPolls(database, 5)
    const { polls, more } = await claimDue(database, { limit: 3, idsPerCall: 10 })
    expect(more).toBe(true)
    expect(polls.map(({ members }) => members.length)).toEqual([10, 10])
    expect(await dueNow()).toBe(15)
    expect(idsOf((await claimDue(database, { idsPerCall: 10 })).polls)).toHaveLength(15)
  })

  test('fills its last call with what the project polls next, up to a step of the grid early', async () => {
    await placeInstances(35)
    await cutPolls(database, 5)
    const due = (from: number, to: number, ms: number, polls: number) =>
      database.query(
        `UPDATE poll SET polls = $4::int, due_at = now() + make_interval(secs => $3::float8 / 1000)
         WHERE id IN (SELECT id FROM poll ORDER BY id LIMIT $2::int - $1::int OFFSET $1::int)`,
        from,
        to,
        ms,
        polls,
      )
    await due(0, 3, -1000, 50)
    await due(3, 4, 90_000, 50)
    // A step of the shorter interval is less than that.
    await due(4, 5, 90_000, 1)
    await due(5, 7, 600_000, 50)
    const { polls } = await claimDue(database, { idsPerCall: 10, poll: { minMs: 100_000, maxMs: 600_000 } })
    expect(polls.map(({ members }) => members.length)).toEqual([10, 10])
    const stored = await readPolls(database)
    expect(
      stored
        .filter((row) => row.polls === 51)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(polls.map(({ id }) => id).toSorted())
  })

  test('takes along only so many as its last call has room for; the rest keeps its time', async () => {
    await placeInstances(30)
    await cutPolls(database, 15)
    await database.query(
      `UPDATE poll SET polls = 50, due_at = now() + interval '90 seconds'
       WHERE id IN (SELECT id FROM poll ORDER BY id LIMIT 1)`,
    )
    const dueMs = (await readPolls(database)).at(-1)?.dueMs
    const { polls } = await claimDue(database, { idsPerCall: 20, poll: SLOW_POLL })
    expect(polls.map(({ members }) => members.length)).toEqual([20])
    expect(await readPolls(database)).toMatchObject([
      { dueMs, polls: 50, members: { length: 10 } },
      { id: polls[0]?.id, polls: 1 },
    ])
  })

  test('takes nothing along early that it has no token for', async () => {
    await placeInstances(30)
    await cutPolls(database, 1)
    await database.query(`UPDATE poll SET polls = 1, due_at = now() + interval '90 seconds'`)
    await database.query(
      `UPDATE poll SET due_at = now() WHERE id IN (SELECT id FROM poll ORDER BY id LIMIT 11)`,
    )
    await setBucket(database, 'p', { tokens: '1', refill_per_second: '0.001', refilled_at: 'now()' })
    const before = new Map((await readPolls(database)).map(({ dueMs, members: [one] }) => [one?.id, dueMs]))
    const { polls } = await claimDue(database, { idsPerCall: 10, poll: SLOW_POLL })
    expect(idsOf(polls)).toHaveLength(10)
    const moved = (await readPolls(database)).flatMap(({ dueMs, members }) =>
      members.filter(({ id }) => before.get(id) !== dueMs),
    )
    expect(moved).toHaveLength(11)
  })

  test('takes so many calls, and of one project so many, as it may, and leaves the rest due', async () => {
    for (const projectId of ['a', 'b', 'c']) await placeInstances(30, projectId)
    const { polls, more } = await claimDue(database, { idsPerCall: 5, callsPerProject: 3, calls: 4 })
    const calls = Object.values(Object.groupBy(polls, ({ projectId }) => projectId))
    expect(calls.map((own) => own?.map(({ members }) => members.length))).toEqual([
      [5, 5, 5],
      [5, 5, 5],
    ])
    expect({ more, due: await dueNow() }).toEqual({ more: true, due: 60 })
  })

  test('leaves out the projects it is told to', async () => {
    await placeInstances(3, 'a')
    await placeInstances(3, 'b')
    const { polls } = await claimDue(database, { exceptProjects: ['a'] })
    expect(polls).toMatchObject([{ projectId: 'b', members: { length: 3 } }])
  })

  test.each([
    ['throttled', 1],
    ['unauthorized', 1],
    ['forbidden', 1],
    ['misconfigured', 1],
    ['upstream_unavailable', 4],
  ])('sends so many calls at once once a bucket was closed as %s: %d', async (reason, calls) => {
    await placeInstances(40)
    await setBucket(database, 'p', {
      blocked_until: `now() - interval '1 second'`,
      blocked_reason: `'${reason}'`,
    })
    const { polls } = await claimDue(database, { idsPerCall: 10 })
    expect(polls.map(({ members }) => members.length)).toEqual(Array(calls).fill(10))
    expect(new Set(polls.map(({ probing }) => probing))).toEqual(new Set([calls === 1]))
  })

  test('takes what there is where no project fills a call', async () => {
    for (const projectId of ['a', 'b', 'c']) await placeInstances(3, projectId)
    const { polls, more } = await claimDue(database, { limit: 2, idsPerCall: 10 })
    expect({ claimed: idsOf(polls).length, more }).toEqual({ claimed: 6, more: true })
  })

  test('postpones what no token is there for', async () => {
    await placeInstances(20)
    await setBucket(database, 'p', { tokens: '0', refilled_at: `now() + interval '1 hour'` })
    const [before] = await readPolls(database)
    expect(await claimDue(database, { postponeMs: 60_000 })).toMatchObject({ polls: [], more: false })
    expect(await dueNow()).toBe(0)
    expect(await readPolls(database)).toMatchObject([{ id: before?.id, polls: 0, members: before?.members }])
  })

  test('finds a closed bucket closed', async () => {
    await placeInstances(5)
    await setBucket(database, 'p', {
      blocked_until: `now() + interval '1 hour'`,
      blocked_reason: `'throttled'`,
    })
    expect(await claimDue(database, { postponeMs: 60_000 })).toMatchObject({ polls: [], more: false })
    expect(await dueNow()).toBe(0)
    expect(await paysFor(0.1)).toBe(false)
  })
})

describe('the share of readiness', () => {
  /** Lets time pass for the bucket, and nothing else. */
  const pass = (ms: number) =>
    setBucket(database, 'p', {
      refilled_at: `refilled_at - interval '${ms} ms'`,
      due_at: `coalesce(due_at - interval '${ms} ms', now())`,
      poll_wanted_until: `poll_wanted_until - interval '${ms} ms'`,
    })

  test.each([0.02, 0.1, 0.3])(
    'of %d leaves the rest to creating, and is not starved itself',
    async (share) => {
      await placeInstances(100)
      await placeRequests(database, { count: 400 })
      await setBucket(database, 'p', {
        // So slow that the time the test itself takes hardly counts.
        refill_per_second: '0.5',
        tokens: '0',
        refilled_at: 'now()',
        due_at: 'now()',
        poll_credit: '0',
      })
      const start = await readBucket(database)
      let creating = 0
      let polling = 0
      let passedMs = 0
      for (let step = 0; step < 100; step += 1) {
        await pass(4000)
        passedMs += 4000
        await makeDue()
        polling += (await claimDue(database, { share, idsPerCall: 10 })).polls.length
        creating += (await claim(database, { slots: 32 })).requests.length
      }
      const end = await readBucket(database)
      const budget = (passedMs / 1000 + end.refilledAt - start.refilledAt) * start.refillPerSecond
      expect(creating + polling).toBeLessThanOrEqual(budget + 1)
      expect(creating + polling).toBeGreaterThan(budget * 0.9)
      expect(polling).toBeLessThanOrEqual(budget * share + 2)
      expect(polling).toBeGreaterThanOrEqual(Math.floor(budget * share * 0.7))
      expect(creating).toBeGreaterThanOrEqual(budget * (1 - share) - 3)
    },
  )

  test('is the whole budget while nothing is queued', async () => {
    await placeInstances(100)
    expect((await claimDue(database, { share: 0.02, idsPerCall: 10 })).polls).toHaveLength(10)
    expect(await paysFor(0.02)).toBe(true)
  })
})

describe('polls that got lost', () => {
  test('are restored for the instances that are pending, and for no others', async () => {
    const id = await placePending(database, { ids: ['kept', 'ended', 'lost', 'ran'] })
    const other = await placePending(database, { ids: ['of another'] })
    const ran = Math.round(await readClock(database)) - 5000
    await database.query(
      `UPDATE instance SET state = 'failed', ended_version = 9, ended_at = now() WHERE id = 'ended'`,
    )
    await database.query(
      `UPDATE instance SET running_at = to_timestamp($1::float8 / 1000) WHERE id = 'ran'`,
      ran,
    )
    await database.query(
      `UPDATE poll SET members = ARRAY(SELECT m FROM unnest(members) m WHERE m LIKE '["kept"%')
       WHERE members[1] LIKE '["kept"%'`,
    )
    await database.query(`DELETE FROM poll WHERE members[1] LIKE '["of another"%'`)

    expect(await restorePolls(database, [id])).toBe(2)
    expect(await restorePolls(database, [id])).toBe(0)
    const { polls } = await claimDue(database, { serverWaitMs: 20_000, poll: SLOW_POLL })
    const [{ createdAt } = { createdAt: new Date(0) }] = await database.prisma.instance.findMany({
      where: { id: 'lost' },
    })
    expect(
      polls.flatMap(({ members }) => members).toSorted((one, next) => (one.id < next.id ? -1 : 1)),
    ).toMatchObject([
      { id: 'kept' },
      { id: 'lost', createdMs: createdAt.getTime(), ranMs: null, seen: null },
      { id: 'ran', createdMs: createdAt.getTime(), ranMs: ran, seen: null },
    ])
    expect((await readPolls(database))[0]?.limitMs).toBe(ran + 20_000)
    expect(await restorePolls(database, [id, other])).toBe(1)
  })
})
