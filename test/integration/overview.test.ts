import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, test } from 'vitest'
import { setOverride } from '../../src/budget/limit-override.sql.ts'
import { ALL_PROJECTS, setPause } from '../../src/budget/pause.sql.ts'
import { takeRun } from '../../src/operations/carry-run.sql.ts'
import { insertRun } from '../../src/operations/insert-run.sql.ts'
import { createOverview, type OverviewOptions } from '../../src/operations/overview.ts'
import { overviewSchema } from '../../src/operations/overview-reply.ts'
import { createOperationsReads } from '../../src/operations/reads.ts'
import { writeAudit } from '../../src/operations/write-audit.sql.ts'
import { holdDuty, registerReplica, resignReplica } from '../../src/replica/leases.sql.ts'
import { addFlow, NO_FLOW } from '../../src/telemetry/add-flow.sql.ts'
import { insertBucketRow, insertLookRow, insertRequestRow } from '../support/request-rows.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()
beforeEach(() => clearTables(database))

/** As it is read anew: nothing is kept from before. */
async function look(changes: Partial<OverviewOptions> = {}) {
  const { read } = createOverview({
    database,
    reads: createOperationsReads({ database }),
    limits: { ofProject: () => ({ perSecond: 5, burst: 10 }), ofCredential: () => null },
    lettersInQueue: async () => 0,
    brokerReady: () => true,
    roles: [],
    ...changes,
  })
  const { overview } = await read()
  expect(overviewSchema.parse(overview)).toEqual(overview)
  return overview
}

const minutesAgo = (minutes: number) => new Date(Math.floor(Date.now() - minutes * 60_000))
const minutesFromNow = (minutes: number) => minutesAgo(-minutes)

describe('the overview', () => {
  test('of an installation where nothing has happened is whole, and nothing is wrong', async () => {
    const overview = await look()
    expect(overview.troubles).toEqual([])
    expect(overview.rates.accepted).toEqual(Array.from({ length: 90 }, () => 0))
    expect(overview.duties.map(({ duty }) => duty)).toEqual(
      expect.arrayContaining(['relay', 'reconcile', 'runs', 'dispatch', 'poll']),
    )
    expect(overview).toMatchObject({
      replicas: [],
      open: { queued: 0, provisioning: 0, events: 0, oldest_event_at: null },
      waiting: { by_reason: [], rows: [], total: 0 },
      budgets: { projects: [], credentials: [], totals: { projects: 0 } },
      uncertain: { count: 0, oldest_at: null, sample: [] },
      failures: { count: 0, causes: [] },
      dead_letters: { in_queue: 0, by_code: [] },
      changes: [],
    })
  })

  test('tells which replicas there are, what each does, and which role nobody has', async () => {
    const [here, gone] = [uuidv7(), uuidv7()]
    const label = { host: 'host-1', version: '1.2.3', roles: ['intake', 'api'] }
    await registerReplica(database, here, 60_000, label)
    await registerReplica(database, gone, 60_000, { ...label, host: 'host-2', roles: ['outbox'] })
    await resignReplica(database, gone)
    await holdDuty(database, 'relay', here, 60_000)
    const overview = await look({ roles: ['intake', 'outbox'] })
    expect(overview.replicas).toMatchObject([
      { id: here, ...label, silent: false },
      { id: gone, host: 'host-2', silent: true },
    ])
    expect(overview.duties).toContainEqual({
      duty: 'relay',
      shared: false,
      replica_id: here,
      overdue_seconds: 0,
    })
    expect(overview.troubles.map(({ code, severity }) => [severity, code])).toEqual([
      ['broken', 'role_missing'],
      ['watch', 'replica_silent'],
    ])
  })

  test('counts what all replicas have done, in the step it was done in', async () => {
    const flow = { ...NO_FLOW, accepted: 1, dispatched: 2, running: 3, failed: 4, published: 5 }
    const [one, other] = [uuidv7(), uuidv7()]
    for (const id of [one, one, other]) await addFlow(database, id, flow)
    await database.query(`UPDATE flow_count SET at = at - interval '5 minutes'`)
    const { rates } = await look()
    const at = rates.accepted.findIndex((n) => n > 0)
    const sums = [rates.accepted, rates.dispatched, rates.running, rates.failed, rates.published]
    expect(sums.map((series) => series[at])).toEqual([3, 6, 9, 12, 15])
    expect(sums.flat().filter((n) => n > 0)).toHaveLength(5)
    const [{ at: written } = { at: new Date(0) }] = await database.query<{ at: Date }>(
      'SELECT at FROM flow_count',
    )
    expect(rates.from.getTime() + at * rates.step_seconds * 1000).toBe(written.getTime())
  })

  test('tells that polls fail, as the last ones did', async () => {
    await insertRequestRow(database, { instances: [{ id: 'i-1', state: 'pending' }], state: 'provisioning' })
    const polled = async (minutesAgo: number, counts: { pollsAnswered: number; pollsFailed: number }) => {
      await database.query(`UPDATE flow_count SET at = at - make_interval(mins => $1::int)`, minutesAgo)
      await addFlow(database, uuidv7(), { ...NO_FLOW, ...counts })
    }
    const codes = async () => {
      await database.query(`UPDATE flow_count SET at = at - interval '1 minute'`)
      return (await look()).troubles.map(({ severity, code }) => [severity, code])
    }
    await polled(0, { pollsAnswered: 3, pollsFailed: 0 })
    expect(await codes()).toEqual([])
    await polled(1, { pollsAnswered: 0, pollsFailed: 2 })
    expect(await codes()).toEqual([['broken', 'polls_fail']])
    await polled(1, { pollsAnswered: 3, pollsFailed: 1 })
    expect(await codes()).toEqual([['watch', 'polls_fail']])
  })

  test('tells who waits for what, since when, the closed ones first', async () => {
    await insertBucketRow(database, { projectId: 'open', dueAt: minutesFromNow(0) })
    const until = minutesFromNow(5)
    await insertBucketRow(database, {
      projectId: 'closed',
      dueAt: until,
      blockedUntil: until,
      blockedReason: 'forbidden',
    })
    const oldest = minutesAgo(30)
    await insertRequestRow(database, { projectId: 'open', requestId: 'first', createdAt: oldest })
    await insertRequestRow(database, { projectId: 'open', createdAt: minutesAgo(10) })
    await insertRequestRow(database, { projectId: 'open', retryAt: until })
    await insertRequestRow(database, { projectId: 'closed', createdAt: minutesAgo(3) })
    await insertRequestRow(database, {
      projectId: 'closed',
      retryAt: minutesFromNow(9),
      createdAt: minutesAgo(4),
    })
    await insertRequestRow(database, { projectId: 'closed', state: 'provisioning' })
    await insertRequestRow(database, { projectId: 'past', state: 'running' })
    const overview = await look()
    expect(overview.open).toMatchObject({ queued: 5, provisioning: 1, capped: false })
    expect(overview.waiting.rows).toMatchObject([
      { project_id: 'closed', reason: 'forbidden', count: 2, until, oldest: { created_at: minutesClose(4) } },
      {
        project_id: 'open',
        reason: 'rate_limit',
        count: 2,
        until: null,
        oldest: { request_id: 'first', created_at: oldest },
      },
      { project_id: 'open', reason: 'retry', count: 1, until },
    ])
    expect(overview.waiting.by_reason).toMatchObject([
      { reason: 'forbidden', count: 2, projects: 1 },
      { reason: 'rate_limit', count: 2, projects: 1, oldest_at: oldest },
      { reason: 'retry', count: 1, projects: 1 },
    ])
    expect(overview.budgets.projects).toMatchObject([
      { project_id: 'closed', closed_reason: 'forbidden', closed_until: until, burst: 10 },
      { project_id: 'open', closed_reason: null },
    ])
    expect(overview.troubles).toMatchObject([
      { severity: 'broken', code: 'projects_closed', message: '1 project is closed (forbidden): closed' },
    ])
  })

  test('tells what is uncertain, what failed and why, what was rejected, and what people did', async () => {
    const since = minutesAgo(2)
    const id = await insertRequestRow(database, {
      requestId: 'doubt',
      state: 'uncertain',
      attempts: 1,
      at: since,
      history: [
        { v: 1, at: since.getTime(), to: 'queued', cause: 'accepted' },
        { v: 2, at: since.getTime(), to: 'dispatching', cause: 'claimed', attempt: 1 },
        {
          v: 3,
          at: since.getTime(),
          to: 'uncertain',
          cause: 'timeout',
          attempt: 1,
          evidence: { error_code: 'UND_ERR_HEADERS_TIMEOUT' },
        },
      ],
    })
    const evidence = {
      reconciling: {
        found: ['i-1'],
        agreed: 1,
        look_count: 2,
        looks: [{ at: since.toISOString(), after_ms: 1, listed: 3, found: 1, verdict: 'look_again' }],
      },
    }
    await insertLookRow(database, { requestRow: id, dueAt: minutesFromNow(1), evidence })
    const error = { code: 'iMetal.0001', message: 'no' }
    for (const at of [minutesAgo(10), minutesAgo(20), minutesAgo(60 * 48)])
      await insertRequestRow(database, { state: 'failed', error, at })
    await database.query(
      `INSERT INTO dead_letter (id, at, code, faults, bytes, replayed_at)
       SELECT gen_random_uuid(), now(), code, '[]', 1, CASE WHEN n = 3 THEN now() END
       FROM unnest(ARRAY['invalid_json', 'invalid_request', 'invalid_request', 'invalid_request'])
         WITH ORDINALITY AS c(code, n)`,
    )
    await database.prismaTransaction((sql) =>
      writeAudit(sql, {
        ...{
          who: 'key:a',
          verb: 'resolve',
          projectId: 'p',
          target: 'r',
          before: null,
          after: null,
          until: null,
        },
        reason: 'looked it up',
      }),
    )
    const overview = await look({ lettersInQueue: async () => 3 })
    expect(overview.uncertain).toMatchObject({
      count: 1,
      oldest_at: since,
      sample: [
        {
          request_id: 'doubt',
          since,
          cause: 'UND_ERR_HEADERS_TIMEOUT',
          looks: 2,
          found: ['i-1'],
          verdict: 'look_again',
          needs_person: false,
        },
      ],
    })
    expect(overview.waiting.rows).toMatchObject([{ reason: 'reconciling', count: 1 }])
    expect(overview.failures).toMatchObject({ count: 2, causes: [{ code: 'iMetal.0001', count: 2 }] })
    expect(overview.dead_letters).toMatchObject({
      in_queue: 3,
      by_code: [
        { code: 'invalid_request', count: 2, capped: false },
        { code: 'invalid_json', count: 1 },
      ],
    })
    expect(overview.changes).toMatchObject([{ who: 'key:a', verb: 'resolve', reason: 'looked it up' }])
    expect(overview.troubles.map(({ code }) => code)).toEqual(['uncertain', 'dead_letters'])
  })

  test('tells what people have set: pauses, of projects that have not ordered too, and limits', async () => {
    await insertBucketRow(database, { projectId: 'limited' })
    await insertBucketRow(database, { projectId: 'paused' })
    await insertRequestRow(database, { projectId: 'paused' })
    const until = minutesFromNow(5)
    const by = { who: 'key:a', reason: 'the region is down' }
    await database.prismaTransaction(async (sql) => {
      await setPause(sql, 'paused', { ...by, until })
      await setPause(sql, 'unknown', { ...by, until: null })
      await setPause(sql, 'over', { ...by, until: minutesAgo(1) })
      await setOverride(sql, 'limited', { ...by, perSecond: 1, burst: 3, until })
    })
    const overview = await look()
    expect(overview.budgets).toMatchObject({
      paused: null,
      totals: { projects: 3, paused: 2, overridden: 1 },
      projects: [
        { project_id: 'paused', paused: true, paused_until: until, overridden: false },
        {
          project_id: 'unknown',
          paused: true,
          paused_until: null,
          rate: 5,
          burst: 10,
          level: 10,
          used_share: 0,
        },
        { project_id: 'limited', paused: false, overridden: true, override_until: until, burst: 3 },
      ],
    })
    expect(overview.waiting.rows).toMatchObject([
      { project_id: 'paused', reason: 'paused', until, detail: 'the project is paused: the region is down' },
    ])
    expect(overview.troubles).toMatchObject([
      { severity: 'watch', code: 'paused', message: '2 projects are paused' },
    ])
    await database.prismaTransaction((sql) => setPause(sql, ALL_PROJECTS, { ...by, until: null }))
    const all = await look()
    expect(all.budgets.paused).toMatchObject({ ...by, until: null })
    expect(all.troubles).toMatchObject([{ code: 'paused', since: all.budgets.paused?.since }])
  })

  test('does not call dispatch late while a person has paused what is due', async () => {
    const overdue = async () => (await look()).duties.find(({ duty }) => duty === 'dispatch')?.overdue_seconds
    const by = { who: 'key:a', reason: 'the region is down', until: null }
    for (const projectId of ['a', 'b']) await insertBucketRow(database, { projectId, dueAt: minutesAgo(5) })
    await database.prismaTransaction((sql) => setPause(sql, 'a', by))
    expect(await overdue()).toBeGreaterThanOrEqual(300)
    await database.prismaTransaction((sql) => setPause(sql, 'b', by))
    expect(await overdue()).toBe(0)
    await database.query('DELETE FROM pause')
    await database.prismaTransaction((sql) => setPause(sql, ALL_PROJECTS, by))
    expect(await overdue()).toBe(0)
  })

  test('calls runs late once their replica has been gone for long, also in the middle of one', async () => {
    const overdue = async () => (await look()).duties.find(({ duty }) => duty === 'runs')?.overdue_seconds
    await insertRun(database, { id: uuidv7(), kind: 'events', params: {} })
    await database.query(`UPDATE operation_run SET created_at = now() - interval '2 hours'`)
    expect(await overdue()).toBeGreaterThanOrEqual(7200)
    await holdDuty(database, 'runs', uuidv7(), 60_000)
    await takeRun(database, uuidv7())
    expect(await overdue()).toBe(0)
    await database.query(`UPDATE duty_lease SET lease_until = now() - interval '5 minutes'`)
    const late = await overdue()
    expect(late).toBeGreaterThanOrEqual(300)
    expect(late, 'since its lease ended').toBeLessThan(7200)
  })

  test('tells of a refused credential once, and not of each of its projects', async () => {
    await database.query(
      `INSERT INTO credential_bucket (credential_id, refill_per_second, capacity, tokens, refilled_at, blocked_until, blocked_reason)
       VALUES ('main', 10, 20, 20, now(), now() + interval '1 hour', 'unauthorized')`,
    )
    for (const projectId of ['a', 'b']) await insertBucketRow(database, { projectId })
    await database.query(`UPDATE rate_bucket SET credential_id = 'main'`)
    const overview = await look({
      limits: {
        ofProject: () => ({ perSecond: 5, burst: 10 }),
        ofCredential: () => ({ perSecond: 10, burst: 21 }),
      },
    })
    expect(overview.budgets).toMatchObject({
      totals: { projects: 2, closed: 2 },
      projects: [{ credential_id: 'main', closed_reason: 'unauthorized' }, {}],
      credentials: [
        { credential_id: 'main', rate: 10, burst: 21, level: 20, used_share: 0, proven: true, projects: 2 },
      ],
    })
    expect(overview.troubles).toMatchObject([{ severity: 'broken', code: 'credential_refused' }])
  })
})

/** Within a second of so many minutes ago. */
function minutesClose(minutes: number) {
  const time = minutesAgo(minutes).getTime()
  return expect.toSatisfy((date: Date) => Math.abs(date.getTime() - time) < 5000)
}
