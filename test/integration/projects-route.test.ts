import { expect, test } from 'vitest'
import { createReads } from '../../src/api/reads.ts'
import { createOperationsReads } from '../../src/operations/reads.ts'
import { RefusedChangeError } from '../../src/operations/refused-change.ts'
import { createApi } from '../support/api-world.ts'
import { NO_OPERATIONS } from '../support/operations-stub.ts'
import { useTestDatabase } from '../support/store-database.ts'
import { placeRequests, setBucket } from './statement-world.ts'

const database = await useTestDatabase()

interface Listed {
  project_id: string
  used_share: number
  requests: { queued: number }
  bucket: { paused: boolean; overridden: boolean; rate: number; burst: number }
}

test('all projects, those with the least left first, and those that wait for their first order', async () => {
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }), {
    operations: { ...NO_OPERATIONS, reads: createOperationsReads({ database }) },
  })
  const page = async (query: string): Promise<{ projects: Listed[]; next_marker: string | null }> =>
    (await api.app.inject(`/operations/projects?${query}`)).json()
  for (const [projectId, level] of Object.entries({ full: 'capacity', half: 'capacity / 2', empty: '0' })) {
    await placeRequests(database, { projectId, count: 2 })
    await setBucket(database, projectId, { tokens: level, refilled_at: `now() + interval '1 hour'` })
  }
  const row = `now(), NULL, 'key:console', 'to see it listed'`
  await database.query(`INSERT INTO pause VALUES ('paused', ${row}), ('*', ${row}), ('empty', ${row})`)
  await database.query(`INSERT INTO limit_override VALUES ('limited', 2, 4, 2, 4, ${row})`)
  const { projects, next_marker } = await page('limit=200')
  expect(next_marker).toBeNull()
  expect(projects.map(({ project_id, used_share }) => [project_id, used_share])).toEqual([
    ['empty', 1],
    ['half', 0.5],
    ['full', 0],
    ['limited', 0],
    ['paused', 0],
  ])
  expect(projects.every(({ bucket }) => bucket.paused)).toBe(true)
  expect(projects[0]?.requests.queued).toBe(2)
  expect(projects[3]?.bucket).toMatchObject({ overridden: true, rate: 2, burst: 4, level: 4 })

  const paged: string[] = []
  for (let marker: string | null = ''; marker !== null; ) {
    const next = await page(marker === '' ? 'limit=2' : `limit=2&marker=${marker}`)
    paged.push(...next.projects.map(({ project_id }) => project_id))
    marker = next.next_marker
  }
  expect(paged).toEqual(projects.map(({ project_id }) => project_id))
  expect((await api.app.inject('/operations/projects?marker=x')).statusCode).toBe(400)
})

test('what makes no sense of a limit or a pause is told by its place', async () => {
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }))
  const reason = 'to see it refused'
  const faults = async (method: 'PUT' | 'POST' | 'DELETE', url: string, payload?: object) => {
    const reply = await api.app.inject({ method, url, ...(payload && { payload }) })
    return reply.statusCode === 400
      ? reply.json().errors.map(({ path }: { path: string }) => path)
      : reply.statusCode
  }
  const limit = '/operations/projects/p/limit'
  const whole = { per_second: 2, burst: 4, reason }
  expect(await faults('PUT', limit, whole)).toBe(200)
  expect(await faults('PUT', limit, { ...whole, burst: 0.5, per_second: 0 })).toEqual(['per_second', 'burst'])
  expect(await faults('PUT', limit, { ...whole, until: 'tomorrow' })).toEqual(['until'])
  expect(await faults('PUT', limit, { per_second: 2, burst: 4 })).toEqual(['reason'])
  expect(await faults('DELETE', limit)).toEqual(['reason'])
  expect(await faults('DELETE', `${limit}?reason=${reason.replaceAll(' ', '+')}`)).toBe(200)
  for (const of of ['/projects/p', '']) {
    expect(await faults('POST', `/operations${of}/pause`, { reason, until: 'soon' })).toEqual(['until'])
    expect(await faults('POST', `/operations${of}/pause`, { reason })).toBe(200)
    expect(await faults('POST', `/operations${of}/resume`, { reason: 'short' })).toEqual(['reason'])
    expect(await faults('POST', `/operations${of}/resume`, { reason })).toBe(200)
  }
})

test('a change that makes no sense as things stand is refused with the reason', async () => {
  const refused = async () => {
    throw new RefusedChangeError('it is over')
  }
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }), {
    operations: {
      ...NO_OPERATIONS,
      setLimit: refused,
      removeLimit: refused,
      pause: refused,
      resume: refused,
    },
  })
  const reason = 'to see it refused'
  const [project, query] = ['/operations/projects/p', 'reason=to+see+it+refused']
  for (const asked of [
    { method: 'PUT', url: `${project}/limit`, payload: { per_second: 1, burst: 1, reason } },
    { method: 'DELETE', url: `${project}/limit?${query}` },
    { method: 'POST', url: `${project}/pause`, payload: { reason } },
    { method: 'POST', url: '/operations/resume', payload: { reason } },
  ] as const) {
    const reply = await api.app.inject(asked)
    expect([asked.url, reply.statusCode, reply.json().code]).toEqual([asked.url, 409, 'change_refused'])
    expect(reply.json().detail).toBe('it is over')
  }
})
