import { beforeEach, describe, expect, test } from 'vitest'
import type { ClaimedPoll } from '../../src/readiness/claim-polls.sql.ts'
import type { News } from '../../src/readiness/news.ts'
import { isNews, observe, type Sighting } from '../../src/readiness/observation.ts'
import { recordReadiness } from '../../src/readiness/readiness-recorder.ts'
import { parseHistory } from '../../src/request/history.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { claimDue, cutPolls, readClock, readPolls, SLOW_POLL } from './poll-world.ts'
import { makePollsDue, placePending } from './statement-world.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const LIMITS = { provisionTimeoutMs: 3_600_000, visibilityMs: 60_000, serverWaitMs: 60_000 }
const TIMES = { ...LIMITS, waitingPollMs: 1000 }

const seen = (state: 'pending' | 'running' | 'failed', changes = {}): Sighting => ({
  name: 'web',
  serverId: 'server',
  imageId: 'image',
  networkInterfaces: [{ subnet_id: 'subnet', ipv4_address: '10.0.0.1' }],
  state,
  upstreamState: state.toUpperCase(),
  error: state === 'failed' ? { code: 'iMetal.0300', message: 'boot failed' } : null,
  ...changes,
})
const UNLISTED = { serverId: null, networkInterfaces: null }

/** What a poll finds of its members: the same of all, or by id. */
const newsOf = (poll: ClaimedPoll, sightings: Sighting | Readonly<Record<string, Sighting>>): News[] =>
  poll.members.flatMap((member) => {
    const sighting =
      sightings === 'not_found' || 'state' in sightings ? (sightings as Sighting) : sightings[member.id]
    if (sighting === undefined) return []
    const observation = observe(member, poll.claimedMs, sighting, LIMITS)
    return isNews(observation) ? [{ poll, observation }] : []
  })

const record = (news: readonly News[]) => recordReadiness(database, news, TIMES)

/** One claim of all that is due. */
const claimAll = async (): Promise<ClaimedPoll[]> => (await claimDue(database)).polls

const claimOne = async (ids: readonly string[]): Promise<{ id: string; poll: ClaimedPoll }> => {
  const id = await placePending(database, { ids })
  const [poll] = await claimAll()
  if (poll === undefined) throw new Error('nothing was claimed')
  return { id, poll }
}

const readRequest = (id: string) => database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
const readInstances = () => database.prisma.instance.findMany({ orderBy: { id: 'asc' } })
/** What the outbox holds of instances that have ended. */
const readRefs = async () =>
  (await database.prisma.outboxSegment.findMany({ orderBy: { position: 'asc' } }))
    .flatMap(({ refs }) => JSON.parse(`[${refs}]`) as [string, number, ...string[]][])
    .filter(([, version]) => version > 3)

describe('an observation', () => {
  test('of some instances counts them, keeps the others, and owes their events', async () => {
    const { id, poll } = await claimOne(['a', 'b', 'c'])
    const { version } = await readRequest(id)
    const due = (await readPolls(database))[0]?.dueMs
    const result = await record(newsOf(poll, { a: seen('running'), b: seen('pending') }))
    expect(result).toMatchObject({
      ended: [{ state: 'running' }],
      changed: [expect.stringMatching(/^p\/order-/)],
    })
    const request = await readRequest(id)
    expect(request).toMatchObject({
      state: 'provisioning',
      version: version + 1,
      runningCount: 1,
      failedCount: 0,
    })
    expect(parseHistory([request.history]).at(-1)).toMatchObject({ v: version, to: 'provisioning' })
    const [a, b, c] = await readInstances()
    expect(a).toMatchObject({
      state: 'running',
      serverId: 'server',
      endedVersion: version + 1,
      endedAt: request.updatedAt,
    })
    expect(b).toMatchObject({ state: 'pending', upstreamState: 'PENDING', endedVersion: null })
    expect(c).toMatchObject({ state: 'pending', upstreamState: null })
    const [stored] = await readPolls(database)
    expect(stored).toMatchObject({ id: poll.id, dueMs: due, members: poll.members })
    expect(poll.members.map((member) => [member.id, member.seen !== null])).toEqual([
      ['c', false],
      ['b', true],
    ])
    expect(await readRefs()).toEqual([[id, version + 1, 'a']])
  })

  test('of the last ones ends the request, with the counts as they are then, and its poll', async () => {
    const { id, poll } = await claimOne(['a', 'b', 'c'])
    await record(newsOf(poll, { a: seen('running'), b: seen('failed') }))
    await record(newsOf(poll, { c: seen('running') }))
    const request = await readRequest(id)
    expect(request).toMatchObject({
      state: 'partially_running',
      previousState: 'provisioning',
      exceptionState: 'partially_running',
      completedAt: request.updatedAt,
      runningCount: 2,
      failedCount: 1,
      errorCode: null,
    })
    expect(parseHistory([request.history]).at(-1)).toEqual({
      v: request.version,
      at: request.updatedAt.getTime(),
      to: 'partially_running',
      cause: 'instances_ended',
      counts: { min: 1, max: 3, created: 3, running: 2, failed: 1 },
    })
    expect(await readRefs()).toEqual([
      [id, request.version - 1, 'a', 'b'],
      [id, request.version, 'c'],
    ])
    expect((await readInstances())[1]).toMatchObject({
      errorCode: 'iMetal.0300',
      errorMessage: 'boot failed',
      runningAt: null,
    })
    expect(await readPolls(database)).toEqual([])
  })

  test('that leaves too few running fails the request, with that as its error', async () => {
    const { id, poll } = await claimOne(['a'])
    await record(newsOf(poll, seen('failed')))
    const request = await readRequest(id)
    const error = { code: 'too_few_running', message: '0 of at least 1 instances run, 1 failed' }
    expect(request).toMatchObject({
      state: 'failed',
      errorCode: error.code,
      errorMessage: error.message,
      errorAt: request.updatedAt,
    })
    expect(parseHistory([request.history]).at(-1)).toMatchObject({ to: 'failed', error })
  })

  test('of an instance that was found after its request had ended counts it, and leaves the state', async () => {
    const { id, poll } = await claimOne(['a', 'late'])
    await database.query(
      `UPDATE provision_request SET state = 'failed', previous_state = 'provisioning', completed_at = now(),
         exception_state = 'failed', password_trace = NULL WHERE id = $1::uuid`,
      id,
    )
    const before = await readRequest(id)
    await record(newsOf(poll, seen('running')))
    const after = await readRequest(id)
    expect(after).toMatchObject({
      state: 'failed',
      runningCount: 2,
      version: before.version + 1,
      history: before.history,
    })
    expect(after.completedAt).toEqual(before.completedAt)
    expect(await readRefs()).toEqual([[id, after.version, 'a', 'late']])
  })

  test('of an older poll than the last changes nothing, and holds up no other', async () => {
    const { id, poll: stale } = await claimOne(['a'])
    await makePollsDue(database)
    await claimAll()
    const other = await claimOne(['b'])
    const result = await record([
      ...newsOf(stale, seen('failed')),
      ...newsOf(other.poll, { b: seen('running') }),
    ])
    expect(result.ended).toMatchObject([{ state: 'running' }])
    expect(await readInstances()).toMatchObject([{ state: 'pending' }, { state: 'running' }])
    expect(await readRequest(id)).toMatchObject({ state: 'provisioning' })
  })

  test('of an instance that is gone with its request only takes it out of its poll', async () => {
    const { poll } = await claimOne(['a', 'b'])
    await database.query(`DELETE FROM instance WHERE id = 'a'`)
    expect(await record(newsOf(poll, { a: seen('failed') }))).toEqual({
      ended: [],
      completed: [],
      changed: [],
    })
    expect(await readPolls(database)).toMatchObject([{ members: [{ id: 'b' }] }])
  })

  test('that comes twice, or after the end, counts once', async () => {
    const { id, poll } = await claimOne(['a'])
    const news = ['running', 'running', 'failed'].map((state) =>
      newsOf({ ...poll }, seen(state as 'running' | 'failed')),
    )
    const results = await Promise.all(news.map(record))
    expect(results.flatMap(({ ended }) => ended)).toHaveLength(1)
    const { version } = await readRequest(id)
    expect(await readRefs()).toEqual([[id, version, 'a']])
  })

  test('of the last instances at the same moment completes the request once', async () => {
    for (let round = 0; round < 10; round += 1) {
      await clearTables(database)
      const id = await placePending(database, { ids: ['a', 'b', 'c', 'd'] })
      await cutPolls(database, 1)
      const { polls } = await claimDue(database, { idsPerCall: 1 })
      const results = await Promise.all(polls.map((poll) => record(newsOf(poll, seen('running')))))
      expect(results.flatMap(({ ended }) => ended)).toHaveLength(4)
      const request = await readRequest(id)
      expect(request).toMatchObject({ state: 'running', runningCount: 4, failedCount: 0 })
      const ends = parseHistory([request.history]).filter(({ cause }) => cause === 'instances_ended')
      expect(ends).toHaveLength(1)
      expect((await readRefs()).flatMap(([, , ...ids]) => ids).toSorted()).toEqual(['a', 'b', 'c', 'd'])
      expect(await readPolls(database)).toEqual([])
    }
  })

  test('whose request changes again and again is given up, and asked for by the next poll', async () => {
    const { id, poll } = await claimOne(['a'])
    const busy = {
      throughPrisma: database.throughPrisma,
      query: async <Row>(text: string, ...values: unknown[]): Promise<Row[]> => {
        const rows = await database.query<Row>(text, ...values)
        if (text.includes('instance n'))
          await database.query('UPDATE provision_request SET version = version + 1 WHERE id = $1::uuid', id)
        return rows
      },
    }
    await expect(recordReadiness(busy, newsOf(poll, seen('running')), TIMES)).rejects.toThrow('change faster')
    expect(await readPolls(database)).toMatchObject([{ id: poll.id, members: [{ id: 'a' }] }])
    expect(await readInstances()).toMatchObject([{ state: 'pending' }])
  })
})

describe('an instance that runs and is not listed so', () => {
  test('stays pending, with the time at which it ran, in a poll of its own that is due soon', async () => {
    const { id, poll } = await claimOne(['other', 'ran'])
    await database.query(`UPDATE poll SET due_at = now() + interval '1 hour'`)
    const before = await readClock(database)
    expect(await record(newsOf(poll, { ran: seen('running', UNLISTED) }))).toEqual({
      ended: [],
      completed: [],
      changed: [],
    })
    const after = await readClock(database)
    const [, instance] = await readInstances()
    expect(instance).toMatchObject({ state: 'pending', runningAt: expect.any(Date), serverId: null })
    const [soon, late] = await readPolls(database)
    expect(late).toMatchObject({ id: poll.id, members: [{ id: 'other' }] })
    expect(soon).toMatchObject({ polls: 0, members: [{ id: 'ran', ranMs: instance?.runningAt?.getTime() }] })
    expect(soon?.limitMs).toBe(Number(instance?.runningAt) + LIMITS.serverWaitMs)
    expect(soon?.dueMs).toBeGreaterThanOrEqual(before + 1000 - 1)
    expect(soon?.dueMs).toBeLessThanOrEqual(after + 1200 + 1)

    await makePollsDue(database)
    const [again] = await claimAll()
    if (again === undefined) throw new Error('nothing was claimed')
    await record(newsOf(again, { ran: seen('running') }))
    const [, ended] = await readInstances()
    expect(ended).toMatchObject({ state: 'running', serverId: 'server', runningAt: instance?.runningAt })
    expect(await readRequest(id)).toMatchObject({ state: 'provisioning', runningCount: 1 })
  })

  test('is polled ever later, and at the end of its wait', async () => {
    const { poll } = await claimOne(['ran'])
    await record(newsOf(poll, seen('running', UNLISTED)))
    for (const interval of [10_000, 15_000, 22_500]) {
      await makePollsDue(database)
      const before = await readClock(database)
      await claimDue(database, { poll: { minMs: 10_000, maxMs: 60_000 } })
      const after = await readClock(database)
      const dueMs = (await readPolls(database))[0]?.dueMs
      expect(dueMs).toBeGreaterThanOrEqual(before + interval - 1)
      expect(dueMs).toBeLessThanOrEqual(after + interval * 1.2 + 1)
    }
    await makePollsDue(database)
    await claimDue(database, { poll: SLOW_POLL })
    const [last] = await readPolls(database)
    const [instance] = await readInstances()
    expect(last?.dueMs).toBe(Number(instance?.runningAt) + 60_000)
  })
})
