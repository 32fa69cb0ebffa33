import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { expect, onTestFinished, test } from 'vitest'
import { createReads } from '../../src/api/reads.ts'
import { createDatabase } from '../../src/database/database.ts'
import { BLOCKED_REASONS } from '../../src/request/waiting.ts'
import { addDatabaseFigures } from '../../src/telemetry/database-figures.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createApi } from '../support/api-world.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { insertBucketRow, insertClaimRow, insertLookRow, insertRequestRow } from '../support/request-rows.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'

const logger = pino({ level: 'silent' })

/** A database of the test's own, with its client closed first. */
async function openDatabase({ timeZone }: { timeZone?: string } = {}) {
  const created = await createTestDatabase()
  const name = new URL(created.url).pathname.slice(1)
  if (timeZone) await created.query(`ALTER DATABASE "${name}" SET timezone TO '${timeZone}'`)
  const { hostname, port } = new URL(created.url)
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } })
  const database = createDatabase({ url: proxy.through(created.url), poolSize: 4, logger })
  onTestFinished(async () => {
    proxy.pass()
    await database.close()
    await proxy.close()
    await created.drop()
  })
  return { database, proxy, created }
}

test('times are those of the database, whatever zone its sessions have by default', async () => {
  const { database, created } = await openDatabase({ timeZone: 'America/New_York' })
  await insertRequestRow(database, { requestId: 'order-1' })
  await created.query(`UPDATE provision_request SET updated_at = '2026-11-23T12:00:00.123Z'`)
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }))
  const reply = await api.app.inject('/v1/p/provision-requests/order-1')
  expect(reply.json()).toMatchObject({ updated_at: '2026-11-23T12:00:00.123Z' })
})

test('while the database is unreachable the API says so, and works again by itself', async () => {
  const { database, proxy } = await openDatabase()
  await insertRequestRow(database, { requestId: 'order-1' })
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }))
  const get = (path: string) => api.app.inject(path)
  const paths = [
    '/v1/p/provision-requests/order-1',
    '/v1/p/provision-requests',
    '/v1/p/provision-requests/order-1/history',
    '/v1/p/instances/i-1',
  ]
  proxy.refuse()
  proxy.cut()
  for (const path of paths) {
    const reply = await get(path)
    expect([reply.statusCode, reply.json().code], path).toEqual([503, 'database_unavailable'])
    expect(reply.body).not.toMatch(/127\.0\.0\.1|postgres/)
  }
  expect((await get('/healthz')).statusCode).toBe(200)
  proxy.pass()
  await eventually(async () => expect((await get(paths[0] ?? '')).statusCode).toBe(200))
})

test('a database without tables is one that is away', async () => {
  const created = await createTestDatabase({ empty: true })
  const database = createDatabase({ url: created.url, poolSize: 2, logger })
  onTestFinished(async () => {
    await database.close()
    await created.drop()
  })
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }))
  expect((await api.app.inject('/v1/p/provision-requests')).statusCode).toBe(503)
})

test('the figures tell where the requests are, and how far each duty is behind', async () => {
  const { database } = await openDatabase()
  const past = new Date(Date.now() - 3_600_000)
  await insertRequestRow(database, { state: 'queued' })
  await insertRequestRow(database, { state: 'queued', retryAt: past })
  await insertRequestRow(database, { state: 'running' })
  await insertRequestRow(database, {
    state: 'provisioning',
    instances: [
      { id: 'i-1', state: 'pending' },
      { id: 'i-2', state: 'pending' },
    ],
  })
  const uncertain = await insertRequestRow(database, { state: 'uncertain', attempts: 1, at: past })
  await insertLookRow(database, { requestRow: uncertain, dueAt: past })
  await insertLookRow(database, { requestRow: uncertain, attempt: 2, purpose: 'audit', dueAt: past })
  const dispatching = await insertRequestRow(database, { state: 'dispatching' })
  await insertClaimRow(database, { requestRows: [dispatching, uuidv7()] })
  const refs = Array.from({ length: 200 }, () => `["${uuidv7()}",4,"${uuidv7()}"]`)
  await database.query('INSERT INTO outbox_segment (refs, created_at) VALUES ($1, $2)', refs.join(','), past)
  await database.query('INSERT INTO outbox_segment (rejections) VALUES ($1)', '[{},{}]')
  const future = new Date(Date.now() + 3_600_000)
  for (const [index, blockedReason] of BLOCKED_REASONS.entries()) {
    // The last is probed: its time is over, and no call has got through yet.
    const blockedUntil = index === BLOCKED_REASONS.length - 1 ? past : future
    await insertBucketRow(database, { projectId: blockedReason, dueAt: future, blockedUntil, blockedReason })
  }

  const metrics = createMetrics()
  addDatabaseFigures({ metrics, database, logger })
  const text = await metrics.registry.metrics()
  const figure = (name: string) => {
    const line = text.split('\n').find((one) => one.startsWith(`provisioner_${name} `))
    return line === undefined ? undefined : Number(line.split(' ')[1])
  }
  expect(figure('database_up')).toBe(1)
  expect(figure('requests{state="queued"}')).toBe(2)
  expect(figure('requests{state="uncertain"}')).toBe(1)
  expect(figure('requests{state="provisioning"}')).toBe(1)
  expect(figure('requests{state="dispatching"}')).toBe(2)
  expect(figure('requests_retrying')).toBe(1)
  expect(figure('instances_pending')).toBe(2)
  expect(figure('uncertain_oldest_seconds')).toBeGreaterThanOrEqual(3600)
  expect(figure('overdue_seconds{duty="retry"}')).toBeGreaterThanOrEqual(3600)
  expect(figure('overdue_seconds{duty="reconcile"}')).toBeGreaterThanOrEqual(3600)
  expect(figure('overdue_seconds{duty="dispatch"}')).toBe(0)
  expect(figure('overdue_seconds{duty="expiry"}')).toBe(0)
  for (const reason of BLOCKED_REASONS) expect(figure(`buckets_blocked{reason="${reason}"}`)).toBe(1)
  // Two events for each reference: that of the instance, and that of the request.
  expect(figure('outbox_waiting_events')).toBeGreaterThan(380)
  expect(figure('outbox_waiting_events')).toBeLessThan(420)
  expect(figure('outbox_oldest_seconds')).toBeGreaterThanOrEqual(3600)
  expect(figure('replicas')).toBe(0)
})
