import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import type { RequestList, RequestStatus } from '../../src/contracts/status.ts'
import { REQUEST_STATES } from '../../src/domain/provision-request.ts'
import { eventually } from '../support/eventually.ts'
import {
  insertAttemptRow,
  insertBucketRow,
  insertRequestRow,
  insertTransitionRow,
  SEALED_CANARY,
} from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()
const HOUR_MS = 3_600_000
const soon = () => new Date(Date.now() + HOUR_MS)

/** Every time on the wire, whatever the session's time zone. */
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

  test('is of the project asked for', async () => {
    await insertRequestRow(world.database, { projectId: 'p', requestId: 'order-1' })
    expect((await world.get('/v1/other/provision-requests/order-1')).status).toBe(404)
  })
})

describe('waiting', () => {
  const waitingOf = async () =>
    ((await world.get('/v1/p/provision-requests/order-1')).body as RequestStatus).waiting

  test('for a retry', async () => {
    const retryAt = soon()
    await insertRequestRow(world.database, { requestId: 'order-1', retryAt })
    expect(await waitingOf()).toEqual({ reason: 'retry', until: retryAt.toISOString() })
  })

  test('for a token', async () => {
    const dueAt = soon()
    await insertBucketRow(world.database, { dueAt })
    await insertRequestRow(world.database, { requestId: 'order-1' })
    expect(await waitingOf()).toEqual({ reason: 'rate_limit', until: dueAt.toISOString() })
  })

  test('for a token, in a project without a bucket', async () => {
    await insertRequestRow(world.database, { requestId: 'order-1' })
    expect(await waitingOf()).toEqual({ reason: 'rate_limit', until: TIME })
  })

  test('for a bucket that is closed', async () => {
    const blockedUntil = soon()
    await insertBucketRow(world.database, { dueAt: blockedUntil, blockedUntil, blockedReason: 'throttled' })
    await insertRequestRow(world.database, { requestId: 'order-1' })
    expect(await waitingOf()).toEqual({ reason: 'throttled', until: blockedUntil.toISOString() })
  })

  test('for the next look at an attempt without an outcome', async () => {
    const reconcileAt = soon()
    const requestRow = await insertRequestRow(world.database, { requestId: 'order-1', state: 'uncertain' })
    await insertAttemptRow(world.database, { requestRow, number: 1, state: 'not_created' })
    await insertAttemptRow(world.database, { requestRow, number: 2, state: 'uncertain', reconcileAt })
    expect(await waitingOf()).toEqual({ reason: 'reconciling', until: reconcileAt.toISOString() })
  })
})

describe('the list', () => {
  const list = async (query: string) =>
    (await world.get(`/v1/p/provision-requests${query}`)).body as RequestList
  const idsOf = ({ requests }: RequestList) => requests.map((request) => request.request_id)

  test('goes from the newest to the oldest, page by page, while new ones come in', async () => {
    for (let n = 1; n <= 7; n += 1) await insertRequestRow(world.database, { requestId: `order-${n}` })
    await insertRequestRow(world.database, { projectId: 'other', requestId: 'order-9' })
    const first = await list('?limit=3')
    expect(idsOf(first)).toEqual(['order-7', 'order-6', 'order-5'])
    await insertRequestRow(world.database, { requestId: 'order-8' })
    const second = await list(`?limit=3&marker=${first.next_marker}`)
    expect(idsOf(second)).toEqual(['order-4', 'order-3', 'order-2'])
    const third = await list(`?limit=3&marker=${second.next_marker}`)
    expect(idsOf(third)).toEqual(['order-1'])
    expect(third.next_marker).toBeNull()
    const exact = await list('?limit=8')
    expect([exact.requests.length, exact.next_marker]).toEqual([8, null])
  })

  test('shows the instances and what each request waits for', async () => {
    const reconcileAt = soon()
    const uncertain = await insertRequestRow(world.database, { state: 'uncertain' })
    await insertAttemptRow(world.database, { requestRow: uncertain, state: 'uncertain', reconcileAt })
    await insertRequestRow(world.database, { retryAt: reconcileAt })
    await insertRequestRow(world.database, { state: 'running', instances: [{ id: 'i-1', state: 'running' }] })
    expect(await list('')).toMatchObject({
      requests: [
        { state: 'running', waiting: null, instances: [{ id: 'i-1' }] },
        { state: 'queued', waiting: { reason: 'retry' } },
        { state: 'uncertain', waiting: { reason: 'reconciling', until: reconcileAt.toISOString() } },
      ],
    })
  })

  test.each(REQUEST_STATES)('of those that are %s holds no others', async (state) => {
    for (const other of REQUEST_STATES)
      await insertRequestRow(world.database, { requestId: other, state: other })
    expect(idsOf(await list(`?state=${state}`))).toEqual([state])
  })

  test('of an unknown project is empty', async () => {
    expect((await world.get('/v1/nobody/provision-requests')).body).toEqual({
      requests: [],
      next_marker: null,
    })
  })

  test('goes on after a marker whose request is gone', async () => {
    const id = await insertRequestRow(world.database, { requestId: 'order-1' })
    await insertRequestRow(world.database, { requestId: 'order-2' })
    const { next_marker } = await list('?limit=1')
    await insertRequestRow(world.database, { id: uuidv7(), requestId: 'order-3' })
    await world.database.query('DELETE FROM provision_request WHERE request_id = $1', 'order-2')
    expect(idsOf(await list(`?marker=${next_marker}`))).toEqual(['order-1'])
    expect(id).toBeDefined()
  })
})

describe('the history', () => {
  test('tells transitions and attempts in their order, with cause and evidence', async () => {
    const at = (second: number) => new Date(Date.UTC(2026, 10, 23, 12, 0, second))
    const requestRow = await insertRequestRow(world.database, {
      requestId: 'order-1',
      state: 'queued',
      attempts: 1,
    })
    const row = { requestRow }
    const attemptId = await insertAttemptRow(world.database, {
      ...row,
      state: 'not_created',
      startedAt: at(1),
      httpStatus: 429,
      errorCode: 'APIG.0308',
      evidence: { retry_after_ms: 2000 },
    })
    await insertTransitionRow(world.database, {
      ...row,
      version: 1,
      at: at(0),
      from: null,
      to: 'queued',
      cause: 'accepted',
    })
    await insertTransitionRow(world.database, {
      ...row,
      version: 2,
      at: at(1),
      from: 'queued',
      to: 'dispatching',
      cause: 'claimed',
      attemptId,
    })
    await insertTransitionRow(world.database, {
      ...row,
      version: 3,
      at: at(2),
      from: 'dispatching',
      to: 'queued',
      cause: 'throttled',
      attemptId,
      evidence: { http_status: 429 },
    })
    const { status, body } = await world.get('/v1/p/provision-requests/order-1/history')
    expect(status).toBe(200)
    expect(body).toEqual({
      project_id: 'p',
      request_id: 'order-1',
      truncated: false,
      history: [
        {
          kind: 'transition',
          time: '2026-11-23T12:00:00.000Z',
          cause: 'accepted',
          evidence: null,
          from: null,
          to: 'queued',
          attempt: null,
        },
        {
          kind: 'transition',
          time: '2026-11-23T12:00:01.000Z',
          cause: 'claimed',
          evidence: null,
          from: 'queued',
          to: 'dispatching',
          attempt: 1,
        },
        {
          kind: 'attempt',
          time: '2026-11-23T12:00:01.000Z',
          cause: 'claimed',
          evidence: { http_status: 429, error_code: 'APIG.0308', retry_after_ms: 2000 },
          attempt: 1,
          attempt_id: attemptId,
          state: 'not_created',
          finished_at: '2026-11-23T12:00:01.000Z',
          reconcile_at: null,
        },
        {
          kind: 'transition',
          time: '2026-11-23T12:00:02.000Z',
          cause: 'throttled',
          evidence: { http_status: 429 },
          from: 'dispatching',
          to: 'queued',
          attempt: 1,
        },
      ],
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
    await world.database.query(`UPDATE provision_request SET state = 'uncertain' WHERE id = $1::uuid`, id)
    expect((await reply).body).toMatchObject({ state: 'uncertain' })
  })
})

test('no reply holds the password, its seal or its digest', async () => {
  for (const state of REQUEST_STATES) {
    const requestRow = await insertRequestRow(world.database, {
      requestId: state,
      state,
      instances: state === 'running' ? [{ id: 'i-1', state: 'running' }] : [],
    })
    await insertTransitionRow(world.database, {
      requestRow,
      version: 1,
      at: new Date(),
      from: null,
      to: state,
      cause: 'x',
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
