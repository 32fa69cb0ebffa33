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

  test('of several states holds those, newest first, page by page', async () => {
    const kinds = ['failed', 'queued', 'running', 'expired', 'failed', 'provisioning', 'cancelled'] as const
    for (const [n, state] of kinds.entries())
      await insertRequestRow(world.database, { requestId: `order-${n}`, state })
    const states = 'state=failed,queued,expired'
    const first = await list(`?${states}&limit=3`)
    expect(idsOf(first)).toEqual(['order-4', 'order-3', 'order-1'])
    const second = await list(`?${states}&limit=3&marker=${first.next_marker}`)
    expect([idsOf(second), second.next_marker]).toEqual([['order-0'], null])
    expect(idsOf(await list(`?state=${REQUEST_STATES.join(',')}`))).toHaveLength(kinds.length)
  })

  test('of ids holds those that the project has, up to a hundred in one page', async () => {
    const ids = Array.from({ length: 100 }, (_, n) => `order-${n}`)
    for (const requestId of ids.slice(0, 70)) await insertRequestRow(world.database, { requestId })
    await insertRequestRow(world.database, { projectId: 'other', requestId: 'order-90' })
    await insertRequestRow(world.database, { requestId: 'not-asked-for' })
    const all = await list(`?request_id=${ids.join(',')}`)
    expect(idsOf(all)).toEqual(ids.slice(0, 70).toReversed())
    expect(all.next_marker).toBeNull()
    const first = await list(`?request_id=${ids.join(',')}&limit=60`)
    const rest = await list(`?request_id=${ids.join(',')}&limit=60&marker=${first.next_marker}`)
    expect([...idsOf(first), ...idsOf(rest)]).toEqual(idsOf(all))
    expect(idsOf(await list('?request_id=order-1,order-1,nobody'))).toEqual(['order-1'])
    expect(idsOf(await list('?request_id=order-1,order-2&state=failed'))).toEqual([])
    expect((await world.get(`/v1/p/provision-requests?request_id=${ids.join(',')},one-more`)).status).toBe(
      400,
    )
  })

  test('of a time holds what was stored after one time and before another', async () => {
    const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 12, minute))
    for (let minute = 0; minute < 6; minute += 1) {
      // The replica that made the id: one that had to wait for the database, and one whose clock is ahead.
      const msecs = at(minute).getTime() + (minute % 2 === 0 ? -1_800_000 : 30_000)
      await insertRequestRow(world.database, {
        id: uuidv7({ msecs }),
        requestId: `order-${minute}`,
        createdAt: at(minute),
      })
    }
    const of = async (query: string) => idsOf(await list(query)).toSorted()
    expect(await of(`?created_after=${at(2).toISOString()}`)).toEqual(['order-3', 'order-4', 'order-5'])
    expect(await of(`?created_before=${at(2).toISOString()}`)).toEqual(['order-0', 'order-1'])
    const between = `?created_after=${at(1).toISOString()}&created_before=${at(4).toISOString()}`
    expect(await of(between)).toEqual(['order-2', 'order-3'])
    expect(await of(`${between}&state=failed`)).toEqual([])
    expect(await of('?created_before=1969-01-01T00:00:00Z')).toEqual([])
  })

  test('by error code or correlation id holds those alone, also beside other filters', async () => {
    const timeout = { code: 'provision_timeout', message: 'late' }
    const other = { code: 'SDC.0001', message: 'no' }
    const row = (requestId: string, options: object) =>
      insertRequestRow(world.database, { requestId, ...options })
    await row('order-1', { state: 'failed', error: timeout, correlationId: 'ä 1' })
    await row('order-2', { state: 'failed', error: other, correlationId: 'ä 1' })
    await row('order-3', { state: 'running', correlationId: 'b' })
    await row('order-4', { state: 'expired', error: timeout })
    await insertRequestRow(world.database, { projectId: 'other', state: 'failed', error: timeout })
    const of = async (query: string) => idsOf(await list(query))
    expect(await of('?error_code=provision_timeout')).toEqual(['order-4', 'order-1'])
    expect(await of('?error_code=provision_timeout&state=expired,running')).toEqual(['order-4'])
    expect(await of(`?correlation_id=${encodeURIComponent('ä 1')}`)).toEqual(['order-2', 'order-1'])
    expect(await of(`?correlation_id=${encodeURIComponent('ä 1')}&error_code=SDC.0001`)).toEqual(['order-2'])
    expect(await of('?request_id=order-1,order-3&correlation_id=b')).toEqual(['order-3'])
    const [shown] = (await list('?correlation_id=b')).requests
    expect(shown).toMatchObject({ correlation_id: 'b', name: 'web', priority: 0, deadline: null })
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
