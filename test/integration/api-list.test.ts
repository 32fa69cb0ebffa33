import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import type { RequestList } from '../../src/contracts/status.ts'
import { REQUEST_STATES } from '../../src/request/provision-request.ts'
import { insertLookRow, insertRequestRow } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()
const soon = () => new Date(Date.now() + 3_600_000)

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
    const uncertain = await insertRequestRow(world.database, { state: 'uncertain', attemptNumber: 1 })
    await insertLookRow(world.database, { requestRow: uncertain, dueAt: reconcileAt })
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
