import { beforeEach, describe, expect, test } from 'vitest'
import { takeToken } from '../../src/budget/take-token.sql.ts'
import { type ClaimedInstance, claimInstances } from '../../src/readiness/claim-instances.sql.ts'
import { pollIntervals } from '../../src/readiness/poll-schedule.ts'
import { recordReadiness } from '../../src/readiness/readiness-recorder.ts'
import { type ObservationRow, recordObservations } from '../../src/readiness/record-observations.sql.ts'
import { clearTables, useTestDatabase } from '../support/reconcile-world.ts'
import { claim, makePollsDue, placePending, placeRequests, readBucket, setBucket } from './store-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const POLL = { minMs: 1000, maxMs: 3000 }
/** A step of its grid is two minutes, longer than any test takes. */
const SLOW_POLL = { minMs: 600_000, maxMs: 600_000 }

const claimDue = ({
  share = 0.1,
  limit = 2000,
  idsPerCall = 100,
  exceptProjects = [] as readonly string[],
  poll = POLL,
  postponeMs = 500,
  callsPerProject = 1000,
  calls = 1000,
} = {}) =>
  claimInstances(database, {
    limit,
    intervalsMs: pollIntervals(poll),
    idsPerCall,
    share,
    postponeMs,
    provisionTimeoutMs: 3_600_000,
    serverWaitMs: 60_000,
    exceptProjects,
    callsPerProject,
    calls,
  })

const placeInstances = (count: number, projectId = 'p') => placePending(database, { count, projectId })
const makeDue = () => makePollsDue(database)

const nextPolls = async () => {
  const rows = await database.prisma.instance.findMany()
  return new Map(rows.map((row) => [row.id, row.nextPollAt?.getTime()]))
}

const dueNow = () => database.prisma.instance.count({ where: { nextPollAt: { lte: new Date() } } })

const seen = (claimed: ClaimedInstance, state: ObservationRow['state']): ObservationRow => ({
  projectId: claimed.projectId,
  id: claimed.id,
  provisionRequestId: claimed.provisionRequestId,
  polls: claimed.polls,
  state,
  ran: state === 'running',
  name: 'web',
  serverId: `server-of-${claimed.id}`,
  imageId: 'image',
  networkInterfaces: [{ subnet_id: 'subnet', ipv4_address: '10.0.0.1' }],
  upstreamState: state.toUpperCase(),
  errorCode: state === 'failed' ? 'iMetal.0300' : null,
  errorMessage: state === 'failed' ? 'boot failed' : null,
})

describe('a claim of instances', () => {
  test('costs one token for each hundred of a project', async () => {
    await placeInstances(250)
    const before = await readBucket(database)
    expect((await claimDue()).instances).toHaveLength(250)
    const after = await readBucket(database)
    expect(before.tokens - after.tokens).toBeGreaterThan(2)
    expect(before.tokens - after.tokens).toBeLessThanOrEqual(3)
  })

  test('takes no instance twice, however many claim at once', async () => {
    await placeInstances(100, 'a')
    await placeInstances(100, 'b')
    const claims = await Promise.all(Array.from({ length: 6 }, () => claimDue({ limit: 30, idsPerCall: 10 })))
    const ids = claims.flatMap(({ instances }) => instances.map((instance) => instance.id))
    expect(ids.length).toBeGreaterThan(100)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('moves each instance on to its next poll, ever later, up to the longest interval', async () => {
    await placeInstances(1)
    const clock = async () => {
      const [row] = await database.query<{ ms: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
      )
      return row?.ms ?? 0
    }
    for (const [index, interval] of [1000, 1500, 2250, 3000, 3000].entries()) {
      await makeDue()
      const before = await clock()
      expect((await claimDue()).instances).toMatchObject([{ polls: index + 1 }])
      const after = await clock()
      const [row] = await database.prisma.instance.findMany()
      const next = row?.nextPollAt?.getTime() ?? 0
      // A poll falls on a grid of a fifth of its interval.
      expect(next).toBeGreaterThanOrEqual(before + interval - 1)
      expect(next).toBeLessThanOrEqual(after + interval * 1.2 + 1)
    }
  })

  test('polls at the end of the time limit, not only after it', async () => {
    await placeInstances(1)
    await database.query(`UPDATE instance SET created_at = now() - interval '3300 seconds', polls = 50`)
    await makeDue()
    await claimDue({ poll: SLOW_POLL })
    const [row] = await database.query<{ ageS: number }>(
      'SELECT extract(epoch FROM next_poll_at - created_at)::float8 AS "ageS" FROM instance',
    )
    expect(row?.ageS).toBeCloseTo(3600, 1)
  })

  test('fills its calls where more are due than it takes, and leaves the rest due', async () => {
    await placeInstances(35, 'a')
    await placeInstances(35, 'b')
    const { instances, more } = await claimDue({ limit: 60, idsPerCall: 10 })
    expect(more).toBe(true)
    const counts = Object.values(Object.groupBy(instances, ({ projectId }) => projectId)).map(
      (own) => own?.length ?? 0,
    )
    expect(counts.every((count) => count % 10 === 0)).toBe(true)
    expect(instances.length).toBeGreaterThanOrEqual(40)
    expect(await dueNow()).toBe(70 - instances.length)
    expect((await claimDue({ idsPerCall: 10 })).instances).toHaveLength(70 - instances.length)
  })

  test('fills its last call with what the project polls next, up to a step of the grid early', async () => {
    await placeInstances(35)
    const due = (from: number, to: number, ms: number, polls: number) =>
      database.query(
        `UPDATE instance SET polls = $4::int, next_poll_at = now() + make_interval(secs => $3::float8 / 1000)
         WHERE id IN (SELECT id FROM instance ORDER BY id LIMIT $2::int - $1::int OFFSET $1::int)`,
        from,
        to,
        ms,
        polls,
      )
    await due(0, 12, -1000, 50)
    await due(12, 15, 90_000, 50)
    // A step of the shorter interval is less than that.
    await due(15, 20, 90_000, 1)
    await due(20, 35, 600_000, 50)
    const { instances } = await claimDue({ idsPerCall: 10, poll: { minMs: 100_000, maxMs: 600_000 } })
    expect(instances.map(({ polls }) => polls)).toEqual(Array(15).fill(51))
  })

  test('takes nothing along early that it has no token for', async () => {
    await placeInstances(30)
    await database.query(`UPDATE instance SET polls = 1, next_poll_at = now() + interval '90 seconds'`)
    await database.query(
      `UPDATE instance SET next_poll_at = now() WHERE id IN (SELECT id FROM instance ORDER BY id LIMIT 11)`,
    )
    await setBucket(database, 'p', { tokens: '1', refill_per_second: '0.001', refilled_at: 'now()' })
    const before = await nextPolls()
    const { instances } = await claimDue({ idsPerCall: 10, poll: SLOW_POLL })
    expect(instances).toHaveLength(10)
    const moved = [...(await nextPolls())].filter(([id, at]) => before.get(id) !== at)
    expect(moved).toHaveLength(11)
  })

  test('takes so many calls, and of one project so many, as it may, and leaves the rest due', async () => {
    for (const projectId of ['a', 'b', 'c']) await placeInstances(30, projectId)
    const { instances, more } = await claimDue({ idsPerCall: 5, callsPerProject: 3, calls: 4 })
    const counts = Object.values(Object.groupBy(instances, ({ projectId }) => projectId))
    expect(counts.map((own) => own?.length)).toEqual([15, 15])
    expect({ more, due: await dueNow() }).toEqual({ more: true, due: 60 })
  })

  test('leaves out the projects it is told to', async () => {
    await placeInstances(3, 'a')
    await placeInstances(3, 'b')
    const { instances } = await claimDue({ exceptProjects: ['a'] })
    expect(instances.map(({ projectId }) => projectId)).toEqual(['b', 'b', 'b'])
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
    const { instances } = await claimDue({ idsPerCall: 10 })
    expect(instances).toHaveLength(10 * calls)
    expect(new Set(instances.map(({ probing }) => probing))).toEqual(new Set([calls === 1]))
  })

  test('takes what there is where no project fills a call', async () => {
    for (const projectId of ['a', 'b', 'c']) await placeInstances(3, projectId)
    const { instances, more } = await claimDue({ limit: 8, idsPerCall: 10 })
    expect({ claimed: instances.length, more }).toEqual({ claimed: 8, more: true })
  })

  test('puts off what no token is there for', async () => {
    await placeInstances(20)
    await setBucket(database, 'p', { tokens: '0', refilled_at: `now() + interval '1 hour'` })
    expect(await claimDue({ postponeMs: 60_000 })).toEqual({ instances: [], more: false })
    expect(await dueNow()).toBe(0)
  })

  test('finds a closed bucket closed', async () => {
    await placeInstances(5)
    await setBucket(database, 'p', {
      blocked_until: `now() + interval '1 hour'`,
      blocked_reason: `'throttled'`,
    })
    expect(await claimDue({ postponeMs: 60_000 })).toEqual({ instances: [], more: false })
    expect(await dueNow()).toBe(0)
    expect(await takeToken(database, { projectId: 'p', share: 0.1 })).toBe(false)
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
        polling += Math.ceil((await claimDue({ share, limit: 100, idsPerCall: 10 })).instances.length / 10)
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
    expect((await claimDue({ share: 0.02, idsPerCall: 10 })).instances).toHaveLength(100)
    expect(await takeToken(database, { projectId: 'p', share: 0.02 })).toBe(true)
  })
})

describe('an observation', () => {
  const claimedOf = async (count: number) => {
    await placeInstances(count)
    const { instances } = await claimDue()
    return instances
  }

  test('of an older poll than the last changes nothing', async () => {
    const [stale] = await claimedOf(1)
    if (stale === undefined) throw new Error('nothing was claimed')
    await makeDue()
    await claimDue()
    expect(await recordObservations(database, [seen(stale, 'failed')], 1000)).toEqual([])
    expect(await database.prisma.instance.findMany()).toMatchObject([{ state: 'pending', polls: 2 }])
  })

  describe('of one that runs and is not listed so', () => {
    const unnamed = (claimed: ClaimedInstance): ObservationRow => ({
      ...seen(claimed, 'pending'),
      ran: true,
      serverId: null,
    })
    /** Seconds from the first answer that it runs to its next poll. */
    const nextPollS = async () => {
      const [row] = await database.query<{ seconds: number }>(
        'SELECT extract(epoch FROM next_poll_at - running_at)::float8 AS seconds FROM instance',
      )
      return row?.seconds ?? Number.NaN
    }
    const ranBefore = (seconds: number) =>
      database.query(
        `UPDATE instance SET running_at = now() - make_interval(secs => $1), next_poll_at = now()`,
        seconds,
      )

    test('keeps it pending, with the time at which it ran, and polls it soon', async () => {
      await placeInstances(1)
      await database.query('UPDATE instance SET polls = 50')
      const [claimed] = (await claimDue({ poll: SLOW_POLL })).instances
      if (claimed === undefined) throw new Error('nothing was claimed')
      expect(claimed.ranMs).toBeNull()
      const result = await recordReadiness(database, [unnamed(claimed)], 1000)
      expect(result).toEqual({ ended: [], completed: 0, changed: [] })
      const [before] = await database.prisma.instance.findMany()
      expect(before).toMatchObject({ state: 'pending', runningAt: expect.any(Date), serverId: null })
      expect(await nextPollS()).toBeLessThanOrEqual(1.3)

      await makeDue()
      const [again] = (await claimDue()).instances
      if (again === undefined) throw new Error('nothing was claimed')
      expect(again.ranMs).toBeGreaterThanOrEqual(0)
      const { ended } = await recordReadiness(database, [seen(again, 'running')], 1000)
      expect(ended).toMatchObject([
        {
          state: 'running',
          runningAt: before?.runningAt,
          serverId: `server-of-${claimed.id}`,
          imageId: 'image',
        },
      ])
      const [event] = await database.prisma.outboxEvent.findMany({
        where: { type: 'provisioner.instance.running' },
      })
      expect(JSON.parse(event?.body ?? '').data).toMatchObject({
        server_id: `server-of-${claimed.id}`,
        network_interfaces: [{ subnet_id: 'subnet', ipv4_address: '10.0.0.1' }],
        image_id: 'image',
        running_at: before?.runningAt?.toISOString(),
      })
    })

    test.each<[at: string, ran: number, nextAfter: (ranS: number) => number]>([
      ['after the least interval', 0, (ranS) => ranS + Math.max(1, ranS / 2)],
      ['after half of that once more', 20, (ranS) => ranS * 1.5],
      ['at the end of the wait', 55, (ranS) => Math.max(60, ranS + 0.5)],
    ])('polls it next %s, %d s after it ran', async (_, ran, nextAfter) => {
      await placeInstances(1)
      await ranBefore(ran)
      const [claimed] = (await claimDue()).instances
      expect(await nextPollS()).toBeCloseTo(nextAfter((claimed?.ranMs ?? 0) / 1000), 2)
    })
  })

  test('that comes twice, or after the end, counts once', async () => {
    const [claimed] = await claimedOf(1)
    if (claimed === undefined) throw new Error('nothing was claimed')
    const results = await Promise.all(
      ['running', 'running', 'failed'].map((state) =>
        recordReadiness(database, [seen(claimed, state as 'running' | 'failed')], 1000),
      ),
    )
    expect(results.flatMap((result) => result.ended).length).toBe(1)
    expect(results.reduce((sum, result) => sum + result.completed, 0)).toBe(1)
    expect(
      await database.prisma.outboxEvent.count({ where: { type: 'provisioner.request.completed' } }),
    ).toBe(1)
  })

  test('of the last two instances at the same moment completes the request once', async () => {
    for (let round = 0; round < 10; round += 1) {
      await clearTables(database)
      const claimed = await claimedOf(4)
      const results = await Promise.all(
        claimed.map((instance) => recordReadiness(database, [seen(instance, 'running')], 1000)),
      )
      expect(results.reduce((sum, result) => sum + result.completed, 0)).toBe(1)
      const [request] = await database.prisma.provisionRequest.findMany()
      expect(request).toMatchObject({ state: 'running', runningCount: 4, failedCount: 0 })
    }
  })
})
