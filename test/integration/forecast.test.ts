import { pino } from 'pino'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { RequestStatus } from '../../src/contracts/status.ts'
import type { Summary } from '../../src/contracts/summary.ts'
import { createForecaster } from '../../src/forecast/forecaster.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { eventually } from '../support/eventually.ts'
import { insertBucketRow, insertRequestRow } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()
const logger = pino({ level: 'silent' })

const waitingOf = async (requestId: string, projectId = 'p') => {
  const { body } = await world.get(`/v1/${projectId}/provision-requests/${requestId}`)
  return (body as RequestStatus).waiting
}
const secondsUntil = (time: unknown) => (Date.parse(String(time)) - Date.now()) / 1000

/** Runs until the projects have a forecast. */
async function forecast(projects: readonly string[] = ['p']): Promise<void> {
  const { database } = world
  const forecaster = createForecaster({
    database,
    replica: { holdDuty: async () => true },
    intervalMs: 20,
    metrics: createMetrics(),
    logger,
  })
  onTestFinished(() => forecaster.stop())
  await forecaster.start()
  await eventually(async () => {
    const rows = await database.query<{ id: string }>('SELECT project_id AS "id" FROM forecast')
    expect(rows.map(({ id }) => id).toSorted()).toEqual([...projects].toSorted())
  })
}

/** `count` requests of one batch, which all have the same rank, named <project>-0 and so on; 5 calls per second. */
async function queueUp(count: number, projectId = 'p', more = {}): Promise<void> {
  const at = new Date()
  for (let n = 0; n < count; n += 1)
    await insertRequestRow(world.database, { projectId, requestId: `${projectId}-${n}`, at })
  await insertBucketRow(world.database, { projectId, dueAt: at, ...more })
}

describe('the forecast of a queue', () => {
  test('tells each request its place and time, and the summary how long the queue is', async () => {
    await queueUp(61)
    await forecast()
    expect((await waitingOf('p-0'))?.position).toBe(1)
    expect((await waitingOf('p-13'))?.position).toBe(14)
    const last = await waitingOf('p-60')
    expect(last?.position).toBe(61)
    expect(secondsUntil(last?.estimated_at)).toBeGreaterThan(5)
    expect(secondsUntil(last?.estimated_at)).toBeLessThan(14)
    expect(last?.estimated_dispatch_at).toBe(last?.estimated_at)
    const middle = await waitingOf('p-45')
    expect(Math.abs((middle?.position ?? 0) - 46)).toBeLessThan(5)
    const { body } = await world.get('/v1/p/summary')
    expect((body as Summary).queue).toMatchObject({ length: 61 })
    expect((body as Summary).queue?.seconds).toBeGreaterThan(5)
    expect((body as Summary).queue?.seconds).toBeLessThan(13)
  })

  test('puts a request of higher priority in front, also one that has just come', async () => {
    await queueUp(9)
    await forecast()
    await insertRequestRow(world.database, { requestId: 'urgent', priority: 5 })
    expect((await waitingOf('urgent'))?.position).toBe(1)
    await insertRequestRow(world.database, { requestId: 'new' })
    expect((await waitingOf('new'))?.position).toBeGreaterThanOrEqual(9)
  })

  test('adds the boot time of the image', async () => {
    await queueUp(1)
    await world.database.query(
      `INSERT INTO boot_curve VALUES ('p', 'image-1', '{}', '{300000,400000,500000,600000,700000}', clock_timestamp())`,
    )
    await forecast()
    const waiting = await waitingOf('p-0')
    expect(secondsUntil(waiting?.estimated_dispatch_at)).toBeLessThan(3)
    expect(secondsUntil(waiting?.estimated_at)).toBeGreaterThan(290)
    expect(secondsUntil(waiting?.estimated_at)).toBeLessThan(303)
  })

  test('of a closed project knows places, but no time', async () => {
    const blockedUntil = new Date(Date.now() + 60_000)
    await queueUp(3, 'p', { dueAt: blockedUntil, blockedUntil, blockedReason: 'unauthorized' })
    await forecast()
    expect(await waitingOf('p-2')).toMatchObject({
      reason: 'unauthorized',
      position: 3,
      estimated_at: null,
      estimated_dispatch_at: null,
    })
    const { body } = await world.get('/v1/p/summary')
    expect((body as Summary).queue).toMatchObject({ length: 3, seconds: null })
  })

  test('reckons with what projects on one credential share', async () => {
    await world.database.query(
      `INSERT INTO credential_bucket (credential_id, refill_per_second, capacity, tokens, refilled_at) VALUES ('k', 2, 4, 0, clock_timestamp())`,
    )
    await queueUp(10, 'p', { credentialId: 'k' })
    await queueUp(10, 'q', { credentialId: 'k' })
    await forecast(['p', 'q'])
    // 20 requests at 2 per second.
    for (const project of ['p', 'q']) {
      const seconds = secondsUntil((await waitingOf(`${project}-9`, project))?.estimated_at)
      expect(seconds).toBeGreaterThan(5)
      expect(seconds).toBeLessThan(11.1)
    }
  })

  test('of a request that was put back is its retry time', async () => {
    const retryAt = new Date(Date.now() + 60_000)
    await queueUp(1)
    await insertRequestRow(world.database, { requestId: 'again', retryAt })
    await forecast()
    const waiting = await waitingOf('again')
    expect(waiting).toMatchObject({ reason: 'retry', position: null })
    expect(Math.abs(secondsUntil(waiting?.estimated_at) - 60)).toBeLessThan(3)
  })

  test('of a request that was put back in a project without a queue is its retry time, too', async () => {
    await insertRequestRow(world.database, { requestId: 'again', retryAt: new Date(Date.now() + 60_000) })
    expect(Math.abs(secondsUntil((await waitingOf('again'))?.estimated_at) - 60)).toBeLessThan(3)
  })

  test('goes when nothing waits any more', async () => {
    await queueUp(2)
    await forecast()
    await world.database.query('UPDATE provision_request SET queue_rank = NULL, retry_at = clock_timestamp()')
    await world.database.query('UPDATE rate_bucket SET due_at = NULL')
    await eventually(async () => {
      expect(await world.database.query('SELECT 1 FROM forecast')).toEqual([])
    })
    expect(((await world.get('/v1/p/summary')).body as Summary).queue).toBeNull()
  })
})
