import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'

let world: AppWorld
let second: string
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
  ;({ url: second } = await world.startApp())
})
afterAll(() => world.close())

const answerOnce = (project: string, script: Record<string, unknown>) =>
  world.simulator.faults.add({ kind: 'error_before', operation: 'RunInstances', project, ...script })

describe.concurrent('what CloudDC refuses for good', () => {
  test.each([
    [400, 'iMetal.0001', 'The image is of no use.'],
    [403, 'iMetal.0004', 'The project may not do that.'],
    [404, 'iMetal.0100', 'There is no such server.'],
    [409, 'iMetal.0102', 'It is taken.'],
  ])('with %i ends as failed, in its own words', async (status, error_code, error_msg) => {
    const project_id = world.newProject()
    answerOnce(project_id, { status, body: { error_code, error_msg } })
    const key = await world.order({ project_id, spec: { min_count: 2, max_count: 3 } })
    const events = await world.allEventsOf(key)
    const counts = { min: 2, max: 3, created: 0, running: 0, failed: 0 }
    expect(events).toMatchObject([
      { kind: 'request.accepted' },
      {
        kind: 'request.completed',
        data: { state: 'failed', counts, error: { code: error_code, message: error_msg } },
      },
    ])
    expect(await world.statusOf(key)).toMatchObject({
      state: 'failed',
      attempts: 1,
      counts,
      error: { code: error_code, message: error_msg },
    })
    expect(world.calls(project_id)).toHaveLength(1)
  })

  test('because a selected server is not there, or too few are', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { servers: [{ id: 'a' }, { id: 'b' }] })
    const unknown = await world.order({
      project_id,
      spec: { placement: { server_id_set: ['a', 'no-such'] } },
    })
    const tooMany = await world.order({ project_id, spec: { min_count: 3 } })
    expect((await world.ended(unknown)).error?.code).toBe('iMetal.0100')
    expect((await world.ended(tooMany)).error?.code).toBe('iMetal.0101')
    expect(world.creations(project_id)).toEqual([])
  })

  test('is no trouble of the project: the next order goes through', async () => {
    const project_id = world.newProject()
    answerOnce(project_id, { status: 400, body: { error_code: 'iMetal.0001', error_msg: 'no' } })
    await world.ended(await world.order({ project_id }))
    const key = await world.order({ project_id })
    expect((await world.ended(key)).state).toBe('running')
  })
})

describe.concurrent('being throttled', () => {
  test.each([
    ['with Retry-After', { retry_after: 1 }],
    ['without it', {}],
    ['with a bare string for a body', { form: 'string' as const }],
  ])('%s costs no attempt, and closes the project for every replica until then', async (_, more) => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'throttle',
      operation: 'RunInstances',
      project: project_id,
      ...more,
    })
    const first = await world.order({ project_id })
    const closed = await world.statusWhen(first, ({ waiting }) => expect(waiting?.reason).toBe('throttled'))
    expect(closed).toMatchObject({ state: 'queued', attempts: 0, error: null })
    const until = new Date(closed.waiting?.until ?? 0).getTime()

    const others = await Promise.all(Array.from({ length: 5 }, () => world.order({ project_id })))
    for (const key of [first, ...others]) {
      expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 1 })
    }
    const [, ...later] = world.calls(project_id)
    expect(later).toHaveLength(6)
    for (const call of later) expect(call.at_ms).toBeGreaterThanOrEqual(until)
    expect((await world.allEventsOf(first)).map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.dispatched',
      'instance.running',
      'request.completed',
    ])
  })

  test('lets one call through to see, and the others only after its answer', async () => {
    const project_id = world.newProject()
    const throttle = { kind: 'throttle' as const, operation: 'RunInstances' as const, project: project_id }
    world.simulator.faults.add(throttle)
    const probe = world.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', project: project_id })
    const first = await world.order({ project_id })
    await world.statusWhen(first, ({ waiting }) => expect(waiting?.reason).toBe('throttled'))
    const others = await Promise.all(Array.from({ length: 5 }, () => world.order({ project_id })))
    await world.simulator.faults.struck(probe.id)
    for (const key of others) await world.statusWhen(key, ({ state }) => expect(state).toBe('queued'))
    expect(world.calls(project_id)).toHaveLength(2)
    world.simulator.faults.release(probe.id)
    for (const key of [first, ...others]) expect((await world.ended(key)).state).toBe('running')
  })

  test('leaves the other projects alone', async () => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'throttle',
      operation: 'RunInstances',
      project: project_id,
      retry_after: 3600,
    })
    const key = await world.order({ project_id })
    await world.statusWhen(key, ({ waiting }) => expect(waiting?.reason).toBe('throttled'))
    const other = await world.order({ project_id: world.newProject() })
    expect((await world.ended(other)).state).toBe('running')
    expect(await world.statusOf(key)).toMatchObject({ state: 'queued', attempts: 0 })
    expect((await world.get(world.pathOf(key), second)).body).toMatchObject({
      waiting: { reason: 'throttled' },
    })
  })
})

describe('a token that CloudDC refuses', () => {
  test('costs no attempt, and work goes on once the file holds a good one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clouddc-token-'))
    const file = join(folder, 'token')
    await writeFile(file, 'stale-token\n')
    const own = await createAppWorld({ simulator: { authTokens: ['fresh-token'] } })
    try {
      const app = await own.startApp({ CLOUDDC_AUTH_TOKEN: undefined, CLOUDDC_AUTH_TOKEN_FILE: file })
      const key = await own.order({ project_id: 'p' })
      const waiting = await own.statusWhen(key, (status) =>
        expect(status.waiting?.reason).toBe('upstream_unavailable'),
      )
      expect(waiting).toMatchObject({ state: 'queued', attempts: 0 })
      const other = await own.order({ project_id: 'p' })
      await writeFile(file, 'fresh-token\n')
      for (const each of [key, other]) {
        expect(await own.ended(each)).toMatchObject({ state: 'running', attempts: 1 })
      }
      expect(own.creations('p')).toHaveLength(2)
      expect(own.calls('p').filter((call) => call.status === 401)).toHaveLength(1)
      expect(app.log()).not.toMatch(/stale-token|fresh-token/)
    } finally {
      await own.close()
      await rm(folder, { recursive: true })
    }
  })
})
