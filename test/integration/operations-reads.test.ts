import { v7 as uuidv7 } from 'uuid'
import { expect, test } from 'vitest'
import { createRequestStore } from '../../src/intake/request-store.ts'
import { writeAudit } from '../../src/operations/write-audit.sql.ts'
import { buildRejected } from '../support/rejected-message.ts'
import { insertRequestRow } from '../support/request-rows.ts'
import { useApi } from './api-world.ts'

const world = useApi()

const body = async <Body>(path: string) => {
  const reply = await world.get(path)
  expect(reply.status, reply.text).toBe(200)
  return reply.body as Body
}

test('the audit is told newest first, page by page', async () => {
  const change = { who: 'key:a', verb: 'resolve', projectId: 'p', before: null, until: null } as const
  for (const target of ['1', '2', '3'])
    await world.database.prismaTransaction((sql) =>
      writeAudit(sql, { ...change, target, after: { n: target }, reason: 'looked it up' }),
    )
  type Page = { entries: { target: string; after: unknown; at: string }[]; next_marker: string | null }
  const first = await body<Page>('/operations/audit?limit=2')
  expect(first.entries).toMatchObject([
    {
      target: '3',
      who: 'key:a',
      verb: 'resolve',
      project_id: 'p',
      before: null,
      after: { n: '3' },
      until: null,
    },
    { target: '2' },
  ])
  const second = await body<Page>(`/operations/audit?limit=2&marker=${first.next_marker}`)
  expect(second.entries.map(({ target }) => target)).toEqual(['1'])
  expect(second.next_marker).toBeNull()
  expect((await world.get('/operations/audit?marker=x')).status).toBe(400)
})

test('failures are counted by code since a time, those that ran are not among them', async () => {
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000)
  const fail = (projectId: string, code: string, at: Date, state: 'failed' | 'expired' = 'failed') =>
    insertRequestRow(world.database, { projectId, state, at, error: { code, message: 'no' } })
  await fail('p-1', 'iMetal.0001', minutesAgo(30))
  await fail('p-2', 'iMetal.0001', minutesAgo(20))
  await fail('p-2', 'iMetal.0001', minutesAgo(10))
  await fail('p-1', 'deadline_passed', minutesAgo(5), 'expired')
  await fail('p-1', 'iMetal.0002', minutesAgo(3 * 24 * 60))
  await insertRequestRow(world.database, { projectId: 'p-1', state: 'cancelled', at: minutesAgo(1) })
  const { failures, truncated } = await body<{ failures: { code: string }[]; truncated: boolean }>(
    '/operations/failures',
  )
  expect(truncated).toBe(false)
  expect(failures).toMatchObject([
    {
      code: 'iMetal.0001',
      count: 3,
      project_count: 2,
      projects: ['p-2', 'p-1'],
      sample: { project_id: 'p-2' },
    },
    { code: 'deadline_passed', count: 1 },
  ])
  const since = minutesAgo(15).toISOString()
  const recent = await body<{ failures: unknown[] }>(`/operations/failures?since=${since}`)
  expect(recent.failures).toMatchObject([{ count: 1 }, { count: 1 }])
  expect((await world.get('/operations/failures?since=yesterday')).status).toBe(400)
})

test('dead letters are told newest first, also of one code, with the count of the queue', async () => {
  const store = createRequestStore({ database: world.database, limitOf: () => ({ perSecond: 1, burst: 1 }) })
  const event = { projectId: 'p', requestId: 'r', correlationId: null, traceparent: null, tracestate: null }
  await store.insertRejections([
    buildRejected(
      { ...event, id: uuidv7(), code: 'invalid_request', detail: [{ path: 'spec', message: 'is missing' }] },
      { at: new Date('2026-11-23T12:00:00Z') },
    ),
    buildRejected(null, { at: new Date('2026-11-23T12:00:01Z'), bytes: 7 }),
  ])
  type List = { in_queue: number; letters: unknown[] }
  expect(await body<List>('/operations/dead-letters')).toMatchObject({
    in_queue: 0,
    letters: [
      { code: 'invalid_json', project_id: null, bytes: 7, detail: [], replayed_at: null },
      {
        code: 'invalid_request',
        request_id: 'r',
        rejected_at: '2026-11-23T12:00:00.000Z',
        detail: [{ path: 'spec', message: 'is missing' }],
      },
    ],
  })
  const { letters } = await body<List>('/operations/dead-letters?code=invalid_json&limit=1')
  expect(letters).toMatchObject([{ code: 'invalid_json' }])
  expect((await world.get('/operations/dead-letters?code=nonsense')).status).toBe(400)
})
