import { describe, expect, test } from 'vitest'
import { insertAttemptRow, insertRequestRow, insertTransitionRow } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()

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
      upstreamRequestId: 'req-1',
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
          upstream_request_id: 'req-1',
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
