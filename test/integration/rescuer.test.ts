import { beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Outcome } from '../../src/attempt/outcome.ts'
import { type SettledAttempt, settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { createRescuer } from '../../src/reconcile/rescuer.ts'
import { registerReplica } from '../../src/replica/leases.sql.ts'
import { parseHistory } from '../../src/request/history.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLogger } from '../support/clouddc-client.ts'
import { eventually } from '../support/eventually.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import {
  claim,
  claimNext,
  POLL_TIMES,
  placeRequests,
  REPLICA,
  setBucket,
  settlementFor,
} from './statement-world.ts'

const OTHER = '0198170e-4ca7-7ee4-89a7-fa6318432222'
const CREATED: Outcome = { class: 'created', instanceIds: ['i-1'], httpStatus: 202 }

const database = await useTestDatabase()
beforeEach(async () => {
  await clearTables(database)
  await registerReplica(database, REPLICA, 60_000)
  await registerReplica(database, OTHER, 60_000)
})

async function startRescuer(changes: { overdueMs?: number } = {}) {
  const metrics = createMetrics()
  const told: SettledAttempt[] = []
  const rescuer = createRescuer({
    database,
    replica: {
      name: 'replica',
      start: async () => undefined,
      stop: async () => undefined,
      id: () => OTHER,
      holdsLease: () => true,
      holdDuty: async () => true,
    },
    firstLookMs: 50,
    metrics,
    logger: silentLogger,
    onSettled: (settled) => told.push(...settled),
    ...changes,
  })
  onTestFinished(rescuer.stop)
  await rescuer.start()
  const rescued = async () => (await metrics.reconcile.rescued.get()).values[0]?.value
  return { told, rescued }
}

const endLease = (id = REPLICA) =>
  database.query(`UPDATE replica SET lease_until = now() - interval '1 second' WHERE id = $1::uuid`, id)

const request = async (id: string | undefined) => {
  const row = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id: id ?? '' } })
  return { ...row, last: parseHistory([row.history]).at(-1) }
}
const claims = async () => (await database.prisma.claim.findMany()).map(({ id }) => id)
const replicas = async () => (await database.prisma.replica.findMany()).map(({ id }) => id)

/** The states of all requests, with how many are in each. */
async function states(): Promise<Record<string, number>> {
  const rows = await database.prisma.provisionRequest.groupBy({ by: ['state'], _count: true })
  return Object.fromEntries(rows.map((row) => [row.state, row._count]))
}

test('what a killed replica has claimed becomes uncertain once its lease is over, and it is forgotten', async () => {
  await placeRequests(database, { count: 2 })
  const { id, requestId, claimId } = await claimNext(database)
  const { told, rescued } = await startRescuer()
  expect(await claims()).toEqual([claimId])
  await endLease()
  await eventually(async () => expect(await states()).toEqual({ uncertain: 2 }))
  const { last, ...row } = await request(id)
  expect(row).toMatchObject({ previousState: 'dispatching', claimId: null, version: 3, attempts: 1 })
  expect(row.sealedPassword).not.toBeNull()
  const change = { v: 3, cause: 'lease_expired', attempt: 1, outcome: 'uncertain' }
  expect(last).toMatchObject({ ...change, evidence: { replica_id: REPLICA } })
  expect(await database.prisma.look.findMany({ where: { provisionRequestId: id } })).toMatchObject([
    { attempt: 1, projectId: 'p', purpose: 'doubt' },
  ])
  const segments = await database.prisma.outboxSegment.findMany({ orderBy: { position: 'asc' } })
  expect(JSON.parse(`[${segments.at(-1)?.refs}]`)).toContainEqual([id, 3])
  expect(await claims()).toEqual([])
  await eventually(async () => expect(await replicas()).toEqual([OTHER]))
  expect(told).toContainEqual({ id, attempt: 1, projectId: 'p', requestId })
  expect(await rescued()).toBe(2)
})

test('what it has recorded before stays as it is', async () => {
  await placeRequests(database, { count: 2 })
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  const { requests, claimId } = await claim(database)
  const [first, second] = requests
  if (first === undefined || second === undefined) throw new Error('nothing was claimed')
  await settleAttempts(database, [settlementFor({ ...first, claimId }, CREATED)], POLL_TIMES)
  const before = await request(first.id)
  await endLease()
  await startRescuer()
  await eventually(async () => expect((await request(second.id)).state).toBe('uncertain'))
  expect(await request(first.id)).toEqual(before)
  expect(await claims()).toEqual([])
})

test('a claim of which nothing is left goes, too', async () => {
  await placeRequests(database)
  const claimed = await claimNext(database)
  await settleAttempts(database, [settlementFor(claimed, CREATED)], POLL_TIMES)
  await endLease()
  const { told } = await startRescuer()
  await eventually(async () => expect(await replicas()).toEqual([OTHER]))
  expect(await claims()).toEqual([])
  expect(told).toEqual([])
})

test('also a claim that was committed only after its replica was forgotten', async () => {
  await database.query('DELETE FROM replica WHERE id = $1::uuid', REPLICA)
  await placeRequests(database)
  const { id } = await claimNext(database)
  await startRescuer()
  await eventually(async () => expect((await request(id)).state).toBe('uncertain'))
  expect(await claims()).toEqual([])
})

test('however many claims it has left', async () => {
  await placeRequests(database, { count: 50, limit: { perSecond: 1000, burst: 1000 } })
  await setBucket(database, 'p', { tokens: 'capacity' })
  for (let n = 0; n < 50; n += 1) {
    await setBucket(database, 'p', { due_at: 'now()' })
    await claim(database, { slots: 1 })
  }
  expect(await claims()).toHaveLength(50)
  await endLease()
  await startRescuer()
  await eventually(async () => expect(await states()).toEqual({ uncertain: 50 }))
  expect(await claims()).toEqual([])
})

test('a living replica keeps what it has claimed', async () => {
  const [mine] = await placeRequests(database)
  const { claimId } = await claimNext(database)
  const [theirs] = await placeRequests(database)
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  await claim(database, { replicaId: OTHER })
  await endLease(OTHER)
  await startRescuer()
  await eventually(async () => expect((await request(theirs)).state).toBe('uncertain'))
  expect((await request(mine)).state).toBe('dispatching')
  expect(await claims()).toEqual([claimId])
  await eventually(async () => expect(await replicas()).toEqual([REPLICA]))
})

test('except for an outcome that it could not record, in the end', async () => {
  const [id] = await placeRequests(database)
  await claimNext(database)
  await database.query(`UPDATE claim SET claimed_at = claimed_at - interval '1 minute'`)
  await startRescuer({ overdueMs: 50_000 })
  await eventually(async () => expect((await request(id)).state).toBe('uncertain'))
  expect((await request(id)).last).toMatchObject({ cause: 'outcome_not_recorded' })
})

test('the project of a probe that was taken over is due again', async () => {
  const [id] = await placeRequests(database)
  await claimNext(database)
  await setBucket(database, 'p', { due_at: `now() + interval '35 seconds'` })
  await endLease()
  await startRescuer()
  await eventually(async () => expect((await request(id)).state).toBe('uncertain'))
  const [due] = await database.query<{ due: boolean }>(
    `SELECT due_at <= now() + interval '1 second' AS due FROM rate_bucket`,
  )
  expect(due).toEqual({ due: true })
})

test('a replica that wakes up after it was taken over records nothing', async () => {
  await placeRequests(database)
  const claimed = await claimNext(database)
  await endLease()
  await startRescuer()
  await eventually(async () => expect((await request(claimed.id)).state).toBe('uncertain'))
  const before = await request(claimed.id)
  expect(await settleAttempts(database, [settlementFor(claimed, CREATED)], POLL_TIMES)).toEqual([])
  expect(await request(claimed.id)).toEqual(before)
  expect(await database.prisma.instance.count()).toBe(0)
})

test('of a claim that is rescued and recorded at once, each request has one outcome', async () => {
  await placeRequests(database, { count: 20, limit: { perSecond: 100, burst: 100 } })
  await setBucket(database, 'p', { tokens: 'capacity', due_at: 'now()' })
  const { requests, claimId } = await claim(database, { slots: 20 })
  const rows = requests.map((one, n) =>
    settlementFor({ ...one, claimId }, { ...CREATED, instanceIds: [`i-${n}`] }),
  )
  await endLease()
  const [settled] = await Promise.all([
    settleAttempts(database, rows.slice(0, 10), POLL_TIMES),
    startRescuer(),
  ])
  await eventually(async () => expect(await claims()).toEqual([]))
  await eventually(async () => expect((await states()).dispatching).toBeUndefined())
  const { provisioning = 0, uncertain = 0 } = await states()
  expect([provisioning, uncertain]).toEqual([settled.length, 20 - settled.length])
  const histories = await database.prisma.provisionRequest.findMany({ select: { history: true } })
  for (const { history } of histories) expect(parseHistory([history])).toHaveLength(3)
})
