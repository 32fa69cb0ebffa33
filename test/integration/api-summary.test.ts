import { describe, expect, test } from 'vitest'
import { readSummary } from '../../src/api/read-summary.sql.ts'
import type { Summary } from '../../src/contracts/summary.ts'
import { REQUEST_STATES } from '../../src/request/provision-request.ts'
import { insertBucketRow, insertRequestRow } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()
const NONE = Object.fromEntries(REQUEST_STATES.map((state) => [state, 0]))

describe('the summary', () => {
  const summary = async () => (await world.get('/v1/p/summary')).body as Summary

  test('of a project that nobody knows is empty', async () => {
    const { status, body } = await world.get('/v1/nobody/summary')
    expect([status, body]).toEqual([
      200,
      {
        project_id: 'nobody',
        requests: NONE,
        counts_capped: false,
        bucket: null,
        queue: null,
        oldest_waiting: null,
        oldest_uncertain: null,
      },
    ])
  })

  test('counts the requests of the project by state', async () => {
    for (const [index, state] of REQUEST_STATES.entries())
      for (let n = 0; n <= index; n += 1) await insertRequestRow(world.database, { state })
    await insertRequestRow(world.database, { projectId: 'other', state: 'running' })
    const { requests, counts_capped } = await summary()
    expect(requests).toEqual(Object.fromEntries(REQUEST_STATES.map((state, index) => [state, index + 1])))
    expect(counts_capped).toBe(false)
  })

  test('tells of the bucket, and of what has waited and been uncertain for longest', async () => {
    const blockedUntil = new Date(Date.now() + 3_600_000)
    await insertRequestRow(world.database, { requestId: 'provisioning', state: 'provisioning' })
    await insertRequestRow(world.database, { requestId: 'first' })
    await insertRequestRow(world.database, { requestId: 'second' })
    const since = new Date(Date.now() - 60_000)
    await insertRequestRow(world.database, { requestId: 'doubt', state: 'uncertain', at: since })
    await insertRequestRow(world.database, { requestId: 'doubt-2', state: 'uncertain' })
    await insertBucketRow(world.database, { dueAt: blockedUntil, blockedUntil, blockedReason: 'throttled' })
    const until = blockedUntil.toISOString()
    expect(await summary()).toMatchObject({
      bucket: { rate: 5, burst: 10, blocked_until: until, blocked_reason: 'throttled', paused: false },
      oldest_waiting: { request_id: 'first', waiting: { reason: 'throttled', until } },
      oldest_uncertain: { request_id: 'doubt', since: since.toISOString() },
    })
    expect((await summary()).bucket?.level).toBeGreaterThanOrEqual(1)
  })

  test('stops counting, and says so: then each number is at least what there is', async () => {
    const bounds = { mostOpen: 4, mostEnded: 3 }
    for (let n = 0; n < 3; n += 1) await insertRequestRow(world.database, { state: 'running' })
    const running = await readSummary(world.database, 'p', bounds)
    expect(running).toMatchObject({ ended: { running: 3 }, capped: true })
    expect(await readSummary(world.database, 'p', { ...bounds, mostEnded: 4 })).toMatchObject({
      capped: false,
    })
    for (let n = 0; n < 5; n += 1) await insertRequestRow(world.database, { state: 'failed' })
    await insertRequestRow(world.database, { state: 'running' })
    const failed = await readSummary(world.database, 'p', bounds)
    expect(failed).toMatchObject({ ended: { running: 1, failed: 3 }, capped: true })
    for (let n = 0; n < 5; n += 1) await insertRequestRow(world.database)
    expect(await readSummary(world.database, 'p', bounds)).toMatchObject({
      open: { queued: 4 },
      capped: true,
    })
  })
})
