import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type StatusReply } from '../support/app-world.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
})
afterAll(() => world.close())

describe('a status that is waited for', () => {
  test('comes with the next change of state, one after the other, up to the end', async () => {
    const project_id = world.newProject()
    const hold = world.simulator.faults.add({
      kind: 'hold',
      operation: 'RunInstances',
      project: project_id,
      phase: 'before',
    })
    const key = await world.order({ project_id })
    await world.statusWhen(key, ({ state }) => expect(state).toBe('dispatching'))
    const next = async (since: string) =>
      (await world.get<StatusReply>(`${world.pathOf(key)}?wait=30s&since=${since}`)).body.state
    expect(await next('queued')).toBe('dispatching')
    const waiting = next('dispatching')
    world.simulator.faults.release(hold.id)
    const states = [await waiting]
    while (states.at(-1) !== 'running') states.push(await next(String(states.at(-1))))
    expect(['provisioning,running', 'running']).toContain(states.join())
    expect(await next('running')).toBe('running')
  })

  test('comes as it is when the time is over', async () => {
    const project_id = world.newProject()
    const hold = world.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', project: project_id })
    const key = await world.order({ project_id })
    await world.simulator.faults.struck(hold.id)
    const reply = await world.get<StatusReply>(`${world.pathOf(key)}?wait=200ms`)
    expect(reply).toMatchObject({ status: 200, body: { state: 'dispatching' } })
    world.simulator.faults.release(hold.id)
    await world.ended(key)
  })

  test('comes to all who wait, from any replica', async () => {
    const { url } = await world.startApp()
    const project_id = world.newProject()
    const hold = world.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', project: project_id })
    const key = await world.order({ project_id })
    await world.simulator.faults.struck(hold.id)
    const waits = Array.from({ length: 20 }, (_, n) =>
      world.get<StatusReply>(
        `${world.pathOf(key)}?wait=30s&since=dispatching`,
        n % 2 === 0 ? url : world.url(),
      ),
    )
    world.simulator.faults.release(hold.id)
    for (const { status, body } of await Promise.all(waits)) {
      expect(status).toBe(200)
      expect(body.state).not.toBe('dispatching')
    }
  })
})

test('a listing goes through all requests of a project, newest first, and of no other', async () => {
  const project_id = world.newProject()
  await world.order({ project_id: world.newProject() })
  const placed: string[] = []
  for (let n = 0; n < 7; n += 1) {
    const key = await world.order({ project_id })
    await world.statusWhen(key, () => undefined)
    placed.unshift(key.requestId)
  }
  const listed: string[] = []
  let marker: string | null = ''
  while (marker !== null) {
    const query: string = marker === '' ? '' : `&marker=${marker}`
    const { body } = await world.get<{ requests: StatusReply[]; next_marker: string | null }>(
      `/v1/${project_id}/provision-requests?limit=3${query}`,
    )
    listed.push(...body.requests.map((request) => request.request_id))
    marker = body.next_marker
  }
  expect(listed).toEqual(placed)
})

test.each([
  ['an unknown request', '/v1/p/provision-requests/none', 404],
  ['the history of an unknown request', '/v1/p/provision-requests/none/history', 404],
  ['an unknown instance', '/v1/p/instances/none', 404],
  ['an unknown route', '/v1/p/orders', 404],
  ['a bad project id', '/v1/p%20q/provision-requests/r', 400],
  ['a bad limit', '/v1/p/provision-requests?limit=201', 400],
  ['a bad marker', '/v1/p/provision-requests?marker=xyz', 400],
  ['an unknown state', '/v1/p/provision-requests?state=done', 400],
  ['an unknown filter', '/v1/p/provision-requests?status=queued', 400],
  ['too long a wait', '/v1/p/provision-requests/r?wait=61s', 400],
])('%s gets a problem document', async (_, path, status) => {
  const reply = await fetch(`${world.url()}${path}`)
  expect(reply.status).toBe(status)
  expect(reply.headers.get('content-type')).toContain('application/problem+json')
  expect(await reply.json()).toMatchObject({ status, title: expect.any(String), code: expect.any(String) })
})

test('the document of the API names every route', async () => {
  const { body } = await world.get<{ openapi: string; paths: Record<string, unknown> }>('/openapi.json')
  expect(body.openapi).toMatch(/^3\.1/)
  expect(Object.keys(body.paths)).toEqual(
    expect.arrayContaining([
      '/v1/{project_id}/provision-requests',
      '/v1/{project_id}/provision-requests/{request_id}',
      '/v1/{project_id}/provision-requests/{request_id}/history',
      '/v1/{project_id}/provision-requests/{request_id}/cancel',
      '/v1/{project_id}/instances/{instance_id}',
      '/healthz',
      '/readyz',
      '/metrics',
    ]),
  )
})
