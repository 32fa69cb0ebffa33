import { expect, test } from 'vitest'
import type { HistoryEntry } from '../../src/request/history.ts'
import { insertHistoryPart, insertLookRow, insertRequestRow } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()

const second = (seconds: number) => Date.UTC(2026, 10, 23, 12, 0, seconds)
const shown = (seconds: number) => new Date(second(seconds)).toISOString()

const ENTRIES: readonly HistoryEntry[] = [
  { v: 1, at: second(0), to: 'queued', cause: 'accepted' },
  { v: 2, at: second(1), to: 'dispatching', cause: 'claimed', attempt: 1 },
  {
    v: 3,
    at: second(2),
    to: 'uncertain',
    cause: 'timeout',
    attempt: 1,
    outcome: 'uncertain',
    upstreamRequestId: 'req-1',
    evidence: { http_status: null, error_code: 'timeout' },
  },
]

test('the history tells of both its parts and its row, and of looks that found nothing yet', async () => {
  const row = { requestId: 'order-1', state: 'uncertain', attempts: 1, history: ENTRIES.slice(2) } as const
  const requestRow = await insertRequestRow(world.database, row)
  // Parts are told apart by their versions, wherever they lie in the table.
  await insertHistoryPart(world.database, { requestRow, history: ENTRIES.slice(1, 2) })
  await insertHistoryPart(world.database, { requestRow, history: ENTRIES.slice(0, 1) })
  const dueAt = new Date(second(3600))
  await insertLookRow(world.database, { requestRow, dueAt, listingsWithout: 2, evidence: { look_count: 3 } })
  const { status, body } = await world.get('/v1/p/provision-requests/order-1/history')
  expect(status).toBe(200)
  expect(body).toEqual({
    project_id: 'p',
    request_id: 'order-1',
    truncated: false,
    history: [
      {
        kind: 'transition',
        time: shown(0),
        cause: 'accepted',
        evidence: null,
        from: null,
        to: 'queued',
        attempt: null,
      },
      {
        kind: 'transition',
        time: shown(1),
        cause: 'claimed',
        evidence: null,
        from: 'queued',
        to: 'dispatching',
        attempt: 1,
      },
      {
        kind: 'attempt',
        time: shown(1),
        cause: 'claimed',
        evidence: { error_code: 'timeout', listings_without: 2, look_count: 3 },
        attempt: 1,
        attempt_id: `${requestRow}.1`,
        state: 'uncertain',
        upstream_request_id: 'req-1',
        finished_at: null,
        reconcile_at: dueAt.toISOString(),
      },
      {
        kind: 'transition',
        time: shown(2),
        cause: 'timeout',
        evidence: { http_status: null, error_code: 'timeout' },
        from: 'dispatching',
        to: 'uncertain',
        attempt: 1,
      },
    ],
  })
})

test('an unknown request has no history', async () => {
  expect((await world.get('/v1/p/provision-requests/order-1/history')).status).toBe(404)
})
