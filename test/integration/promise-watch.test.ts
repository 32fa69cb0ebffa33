import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { restorePolls } from '../../src/readiness/restore-polls.sql.ts'
import type { RequestState } from '../../src/request/provision-request.ts'
import { createMetrics, type Invariant } from '../../src/telemetry/metrics.ts'
import { createPromiseWatch, type PromiseWatchOptions } from '../../src/watch/promise-watch.ts'
import { eventually } from '../support/eventually.ts'
import { insertBucketRow, insertClaimRow, insertLookRow, insertRequestRow } from '../support/request-rows.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'

const database = await useTestDatabase()

beforeEach(() => clearTables(database))

/** A watch that goes round all the time; `rounds` resolves after so many more. */
async function startWatch(changes: Partial<PromiseWatchOptions> = {}) {
  let passes = 0
  const metrics = createMetrics()
  const lines: string[] = []
  const watch = createPromiseWatch({
    database,
    replica: {
      holdDuty: async () => {
        passes += 1
        return true
      },
    },
    brokerReady: () => true,
    restorePolls: (ids) => restorePolls(database, ids),
    idleMs: 5,
    unchangedMs: 0,
    metrics,
    logger: pino({ level: 'info' }, { write: (line) => lines.push(line) }),
    ...changes,
  })
  await watch.start()
  onTestFinished(watch.stop)
  return {
    rounds: (count = 3) => {
      const goal = passes + count + 1
      return eventually(() => expect(passes).toBeGreaterThanOrEqual(goal))
    },
    violations: async (invariant: Invariant) => {
      const { values } = await metrics.invariantViolations.get()
      return values.find(({ labels }) => labels.invariant === invariant)?.value ?? 0
    },
    log: () => lines.join(''),
  }
}

/** A request that waits in a state, with the row that its next step finds it by. */
async function place(state: RequestState, { instances = 1 }: { instances?: number } = {}): Promise<string> {
  const ids = Array.from({ length: instances }, () => ({ id: uuidv7(), state: 'pending' as const }))
  const requestRow = await insertRequestRow(database, {
    state,
    attempts: state === 'queued' ? 0 : 1,
    at: new Date(Date.now() - 3_600_000),
    instances: state === 'provisioning' ? ids : [],
  })
  if (state === 'queued') await insertBucketRow(database, { dueAt: new Date() })
  if (state === 'uncertain') await insertLookRow(database, { requestRow, dueAt: new Date() })
  if (state === 'dispatching') {
    const [claim] = await database.query<{ id: string }>(
      'SELECT claim_id::text AS "id" FROM provision_request WHERE id = $1::uuid',
      requestRow,
    )
    await insertClaimRow(database, { id: claim?.id ?? '', requestRows: [requestRow, uuidv7()] })
  }
  return requestRow
}

const WAITING = ['queued', 'dispatching', 'uncertain', 'provisioning'] as const

/** All ids of instances that are polled. */
async function polledIds(): Promise<string[]> {
  const rows = await database.query<{ id: string }>(`SELECT unnest(members)::json->>0 AS "id" FROM poll`)
  return rows.map(({ id }) => id).sort()
}

async function instanceIdsOf(requestRow: string): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    'SELECT unnest(instance_ids) AS "id" FROM provision_request WHERE id = $1::uuid',
    requestRow,
  )
  return rows.map(({ id }) => id).sort()
}

describe('requests that no replica is due to look at', () => {
  test('are not those whose next step finds them', async () => {
    for (const state of WAITING) await place(state)
    const watch = await startWatch()
    await watch.rounds()
    expect(await watch.violations('stuck')).toBe(0)
  })

  test('are counted once, in whatever state they were left, and logged', async () => {
    for (const state of WAITING) await place(state)
    for (const table of ['claim', 'look', 'poll', 'instance', 'rate_bucket'])
      await database.query(`DELETE FROM ${table}`)
    const watch = await startWatch({ restorePolls: async () => undefined })
    await watch.rounds()
    expect(await watch.violations('stuck')).toBe(4)
    await watch.rounds()
    expect(await watch.violations('stuck')).toBe(4)
    for (const state of WAITING) expect(watch.log()).toContain(`"state":"${state}"`)
  })

  test('are found however many others there are, page by page', async () => {
    for (let n = 0; n < 7; n += 1) await place('queued')
    await database.query('UPDATE rate_bucket SET due_at = NULL')
    const watch = await startWatch({ pageSize: 3 })
    await eventually(async () => expect(await watch.violations('stuck')).toBe(7))
    await watch.rounds(7)
    expect(await watch.violations('stuck')).toBe(7)
  })

  test('are not those that wait for a retry or a deadline, or have ended', async () => {
    const at = new Date(Date.now() - 3_600_000)
    await insertRequestRow(database, { at, retryAt: new Date() })
    await insertRequestRow(database, { at, state: 'cancelled' })
    const withDeadline = await insertRequestRow(database, { at })
    await database.query(
      `UPDATE provision_request SET deadline = now() - interval '1 second', expires_at = now() - interval '1 second' WHERE id = $1::uuid`,
      withDeadline,
    )
    const watch = await startWatch()
    await watch.rounds()
    expect(await watch.violations('stuck')).toBe(0)
  })

  test('are not those that changed just now', async () => {
    await insertRequestRow(database, {})
    await insertRequestRow(database, { state: 'dispatching' })
    await insertRequestRow(database, { state: 'uncertain' })
    await insertRequestRow(database, { state: 'provisioning', instances: [{ id: 'i-1', state: 'pending' }] })
    await database.query('DELETE FROM poll')
    const watch = await startWatch({ unchangedMs: 600_000 })
    await watch.rounds()
    expect(await watch.violations('stuck')).toBe(0)
  })
})

describe('a row that alone points to open work', () => {
  test('is restored as the claim of a replica that does not exist', async () => {
    const one = await place('dispatching')
    await place('dispatching')
    await database.query('DELETE FROM claim WHERE request_ids @> ARRAY[$1::uuid]', one)
    const watch = await startWatch()
    await eventually(async () => expect(await watch.violations('stuck')).toBe(1))
    await watch.rounds()
    const claims = await database.query(
      `SELECT c.request_ids AS "requestIds", p.id AS "replica"
       FROM provision_request r
       JOIN claim c ON c.id = r.claim_id
       LEFT JOIN replica p ON p.id = c.replica_id
       WHERE r.id = $1::uuid`,
      one,
    )
    expect(claims).toEqual([{ requestIds: [one], replica: null }])
    expect(await database.query('SELECT FROM claim')).toHaveLength(2)
  })

  test('is restored in a claim that has lost only this request', async () => {
    const one = await place('dispatching')
    await database.query('UPDATE claim SET request_ids = ARRAY[$1::uuid]', uuidv7())
    const watch = await startWatch()
    await eventually(async () => expect(await watch.violations('stuck')).toBe(1))
    await watch.rounds()
    const [claim] = await database.query<{ requestIds: string[] }>(
      'SELECT request_ids AS "requestIds" FROM claim',
    )
    expect(claim?.requestIds).toHaveLength(2)
    expect(claim?.requestIds).toContain(one)
  })

  test.each(['gone', 'an audit'])('is restored as a doubt where its look is %s', async (loss) => {
    const one = await place('uncertain')
    await place('uncertain')
    const change = loss === 'gone' ? 'DELETE FROM look' : `UPDATE look SET purpose = 'audit'`
    await database.query(`${change} WHERE provision_request_id = $1::uuid`, one)
    const watch = await startWatch()
    await eventually(async () => expect(await watch.violations('stuck')).toBe(1))
    await watch.rounds()
    const doubts = await database.query(
      `SELECT FROM look WHERE purpose = 'doubt' AND attempt = 1 AND due_at <= now()`,
    )
    expect(doubts).toHaveLength(2)
    expect(await watch.violations('stuck')).toBe(1)
  })

  test('is restored as the poll of each instance that has none', async () => {
    const one = await place('provisioning', { instances: 3 })
    const other = await place('provisioning', { instances: 2 })
    const all = await polledIds()
    const [lost] = await instanceIdsOf(one)
    // A poll that has lost one of its instances, with others of it and of other requests in place.
    await database.query(
      `UPDATE poll SET members = ARRAY(SELECT m FROM unnest(members) m WHERE m::json->>0 <> $1)`,
      lost,
    )
    expect(await polledIds()).toHaveLength(4)
    const watch = await startWatch()
    await eventually(async () => expect(await watch.violations('stuck')).toBe(1))
    await watch.rounds()
    expect(await polledIds()).toEqual(all)
    expect(await watch.violations('stuck')).toBe(1)
    expect(watch.log()).toContain(one)
    expect(watch.log()).not.toContain(other)
  })

  test('is restored once where all were lost, page by page', async () => {
    for (let n = 0; n < 7; n += 1) await place('provisioning', { instances: 2 })
    const all = await polledIds()
    await database.query('DELETE FROM poll')
    const watch = await startWatch({ pageSize: 2 })
    await eventually(async () => expect(await watch.violations('stuck')).toBe(7))
    await watch.rounds(7)
    expect(await polledIds()).toEqual(all)
    expect(await watch.violations('stuck')).toBe(7)
  })
})

describe('a segment that stays the first of the outbox', () => {
  const write = () =>
    database.query('INSERT INTO outbox_segment (refs) VALUES ($1)', JSON.stringify([uuidv7(), 1]))
  const takeFirst = () =>
    database.query('DELETE FROM outbox_segment WHERE position = (SELECT min(position) FROM outbox_segment)')

  test('is counted once, and the next one again', async () => {
    await write()
    await write()
    const watch = await startWatch({ firstEventMs: 0 })
    await eventually(async () => expect(await watch.violations('missing_event')).toBe(1))
    await watch.rounds()
    expect(await watch.violations('missing_event')).toBe(1)
    await takeFirst()
    await eventually(async () => expect(await watch.violations('missing_event')).toBe(2))
  })

  test('is nobody’s fault while the broker is unreachable, or before its time is over', async () => {
    await write()
    const cut = await startWatch({ firstEventMs: 0, brokerReady: () => false })
    await cut.rounds()
    const patient = await startWatch()
    await patient.rounds()
    expect(await cut.violations('missing_event')).toBe(0)
    expect(await patient.violations('missing_event')).toBe(0)
  })
})
