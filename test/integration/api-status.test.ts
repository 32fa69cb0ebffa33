import { describe, expect, test } from 'vitest'
import type { RequestStatus } from '../../src/contracts/status.ts'
import { REQUEST_STATES } from '../../src/request/provision-request.ts'
import { eventually } from '../support/eventually.ts'
import { insertBucketRow, insertLookRow, insertRequestRow, SEALED_CANARY } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()
const soon = () => new Date(Date.now() + 3_600_000)

/** Every time on the wire. */
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)

describe('the status', () => {
  test('tells all of the contract', async () => {
    await insertRequestRow(world.database, {
      requestId: 'order-1',
      state: 'provisioning',
      attempts: 2,
      instances: [
        { id: 'i-1', state: 'running' },
        { id: 'i-2', state: 'failed' },
        { id: 'i-3', state: 'pending' },
      ],
    })
    const { status, body } = await world.get('/v1/p/provision-requests/order-1')
    expect(status).toBe(200)
    expect(body).toEqual({
      project_id: 'p',
      request_id: 'order-1',
      state: 'provisioning',
      counts: { min: 1, max: 3, created: 3, running: 1, failed: 1 },
      instances: [
        {
          id: 'i-1',
          state: 'running',
          name: 'web',
          server_id: null,
          created_at: TIME,
          running_at: TIME,
          error: null,
        },
        {
          id: 'i-2',
          state: 'failed',
          name: 'web',
          server_id: null,
          created_at: TIME,
          running_at: null,
          error: { code: 'boot_failed', message: 'it did not boot' },
        },
        {
          id: 'i-3',
          state: 'pending',
          name: 'web',
          server_id: null,
          created_at: TIME,
          running_at: null,
          error: null,
        },
      ],
      name: 'web',
      priority: 0,
      deadline: null,
      correlation_id: null,
      attempts: 2,
      waiting: null,
      error: null,
      created_at: TIME,
      updated_at: TIME,
      dispatched_at: TIME,
      completed_at: null,
    })
  })

  test('tells why a request failed, and when', async () => {
    const error = { code: 'SDC.0001', message: 'no such image' }
    await insertRequestRow(world.database, { requestId: 'order-1', state: 'failed', error })
    const { body } = await world.get('/v1/p/provision-requests/order-1')
    expect(body).toMatchObject({ state: 'failed', error: { ...error, at: TIME }, completed_at: TIME })
  })

  test('is that of the request asked for, however many are asked for at once', async () => {
    const wanted = Array.from({ length: 120 }, (_, n) => ({ project: `p${n % 3}`, order: `order-${n % 80}` }))
    for (const { project, order } of wanted.slice(0, 60))
      await insertRequestRow(world.database, { projectId: project, requestId: order })
    const replies = await Promise.all(
      wanted.map(({ project, order }) => world.get(`/v1/${project}/provision-requests/${order}`)),
    )
    const stored = new Set(wanted.slice(0, 60).map(({ project, order }) => `${project}/${order}`))
    for (const [index, { project, order }] of wanted.entries()) {
      const { status, body } = replies[index] ?? {}
      if (stored.has(`${project}/${order}`))
        expect(body).toMatchObject({ project_id: project, request_id: order })
      else expect(status).toBe(404)
    }
  })

  test('is of the project asked for', async () => {
    await insertRequestRow(world.database, { projectId: 'p', requestId: 'order-1' })
    expect((await world.get('/v1/other/provision-requests/order-1')).status).toBe(404)
  })
})

describe('waiting', () => {
  /** Without what is to be expected: see forecast.test.ts. */
  const waitingOf = async () => {
    const { waiting } = (await world.get('/v1/p/provision-requests/order-1')).body as RequestStatus
    if (waiting === null) return null
    const { reason, until, detail } = waiting
    return { reason, until, detail }
  }

  test('for a retry', async () => {
    const retryAt = soon()
    await insertRequestRow(world.database, { requestId: 'order-1', retryAt })
    expect(await waitingOf()).toEqual({ reason: 'retry', until: retryAt.toISOString(), detail: null })
  })

  test('for a token', async () => {
    const dueAt = soon()
    await insertBucketRow(world.database, { dueAt })
    await insertRequestRow(world.database, { requestId: 'order-1' })
    expect(await waitingOf()).toEqual({ reason: 'rate_limit', until: dueAt.toISOString(), detail: null })
  })

  test('for a token, in a project without a bucket', async () => {
    await insertRequestRow(world.database, { requestId: 'order-1' })
    expect(await waitingOf()).toEqual({ reason: 'rate_limit', until: TIME, detail: null })
  })

  test('for a bucket that is closed', async () => {
    const blockedUntil = soon()
    await insertBucketRow(world.database, { dueAt: blockedUntil, blockedUntil, blockedReason: 'throttled' })
    await insertRequestRow(world.database, { requestId: 'order-1' })
    expect(await waitingOf()).toEqual({
      reason: 'throttled',
      until: blockedUntil.toISOString(),
      detail: null,
    })
  })

  test('for servers that a reading has found missing', async () => {
    const preflightAt = soon()
    await insertBucketRow(world.database, {})
    await world.database.query('UPDATE rate_bucket SET preflight_at = $1', preflightAt)
    const id = await insertRequestRow(world.database, { requestId: 'order-1' })
    const heldFor = '1 server is ready, fewer than the 2 asked for'
    await world.database.query(
      'UPDATE provision_request SET held_rank = queue_rank, queue_rank = NULL, held_for = $2 WHERE id = $1::uuid',
      id,
      heldFor,
    )
    const until = preflightAt.toISOString()
    expect(await waitingOf()).toEqual({ reason: 'capacity', until, detail: heldFor })
  })

  test('for the next look at an attempt without an outcome', async () => {
    const reconcileAt = soon()
    const row = { requestId: 'order-1', state: 'uncertain', attemptNumber: 2 } as const
    const requestRow = await insertRequestRow(world.database, row)
    await insertLookRow(world.database, { requestRow, attempt: 1, purpose: 'audit', dueAt: new Date() })
    await insertLookRow(world.database, { requestRow, attempt: 2, dueAt: reconcileAt })
    expect(await waitingOf()).toEqual({
      reason: 'reconciling',
      until: reconcileAt.toISOString(),
      detail: null,
    })
  })
})

describe('an instance', () => {
  test('is told with the request it belongs to', async () => {
    await insertRequestRow(world.database, {
      requestId: 'order-1',
      state: 'running',
      instances: [{ id: 'i-1', state: 'running' }],
    })
    const { body } = await world.get('/v1/p/instances/i-1')
    expect(body).toMatchObject({
      id: 'i-1',
      project_id: 'p',
      request_id: 'order-1',
      state: 'running',
      upstream_state: 'RUNNING',
      request: { request_id: 'order-1', state: 'running', instances: [{ id: 'i-1' }] },
    })
  })

  test('is unknown in another project', async () => {
    await insertRequestRow(world.database, { state: 'running', instances: [{ id: 'i-1', state: 'running' }] })
    expect((await world.get('/v1/other/instances/i-1')).status).toBe(404)
    expect((await world.get('/v1/p/instances/i-2')).status).toBe(404)
  })
})

describe('a wait', () => {
  test('ends when another process changes the request', async () => {
    const id = await insertRequestRow(world.database, { requestId: 'order-1', state: 'dispatching' })
    const reply = world.get('/v1/p/provision-requests/order-1?wait=60s&since=dispatching')
    await eventually(() => expect(world.watcher.size()).toBe(1))
    await world.database.query(
      `UPDATE provision_request SET state = 'uncertain', previous_state = state, claim_id = NULL WHERE id = $1::uuid`,
      id,
    )
    expect((await reply).body).toMatchObject({ state: 'uncertain' })
  })
})

test('no reply holds the password, its seal or its digest', async () => {
  for (const state of REQUEST_STATES) {
    await insertRequestRow(world.database, {
      requestId: state,
      state,
      instances: state === 'running' ? [{ id: 'i-1', state: 'running' }] : [],
    })
  }
  const paths = [
    '/v1/p/provision-requests',
    '/v1/p/instances/i-1',
    '/metrics',
    ...REQUEST_STATES.flatMap((state) => [
      `/v1/p/provision-requests/${state}`,
      `/v1/p/provision-requests/${state}/history`,
    ]),
  ]
  for (const path of paths) {
    const { status, text } = await world.get(path)
    expect(status, path).toBe(200)
    for (const form of ['utf8', 'base64', 'hex'] as const) {
      expect(text, path).not.toContain(Buffer.from(SEALED_CANARY).toString(form))
    }
    expect(text, path).not.toMatch(/password|sealed|digest/i)
  }
})
