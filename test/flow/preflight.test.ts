import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
  await world.startApp()
})
afterAll(() => world.close())

const READINGS = ['CountServers', 'ListServers'] as const
const readings = (project: string) =>
  READINGS.flatMap((operation) => world.simulator.ledger.calls({ operation, project }))
const boundToFail = (project: string) => world.calls(project).filter((call) => call.bound_to_fail)

describe.concurrent('an order that too few servers are ready for', () => {
  test('ends without a call, and says why', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { count: 2 })
    const key = await world.order({ project_id, spec: { min_count: 3, max_count: 4 } })
    const events = await world.allEventsOf(key)
    const message = '2 servers are ready, fewer than the 3 asked for'
    const error = { code: 'iMetal.0101', message }
    expect(events.at(-1)).toMatchObject({ kind: 'request.completed', data: { state: 'failed', error } })
    expect(await world.statusOf(key)).toMatchObject({ state: 'failed', attempts: 0, error })
    const [, end] = await world.historyOf(key)
    expect(end).toMatchObject({
      from: 'queued',
      to: 'failed',
      cause: 'not_ready',
      evidence: { preflight: 'CountServers', ready_servers: 2, min_count: 3 },
    })
    expect(world.calls(project_id)).toEqual([])
    expect(readings(project_id)).toHaveLength(1)
  })

  test('of selected servers names those that are unknown, taken or frozen', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, {
      servers: [
        { id: 'good' },
        { id: 'broken', manage_state: 'maintain' },
        { id: 'locked', frozen_state: 4 },
      ],
    })
    const of = (...ids: string[]) => world.order({ project_id, spec: { placement: { server_id_set: ids } } })
    const [none, unready, unknown] = await Promise.all([
      of('good'),
      of('broken', 'locked'),
      of('good', 'no-such'),
    ])
    expect((await world.ended(unready)).error).toMatchObject({
      code: 'iMetal.0101',
      message: 'servers not ready: broken (maintain), locked (frozen)',
    })
    expect((await world.ended(unknown)).error).toMatchObject({
      code: 'iMetal.0100',
      message: 'servers not found: no-such',
    })
    expect((await world.ended(none)).state).toBe('running')
    expect(world.calls(project_id)).toHaveLength(1)
  })

  test('of any servers waits if it wants to, and goes when servers are back', async () => {
    const project_id = world.newProject()
    const wait = { project_id, when_not_ready: 'wait' }
    world.simulator.inventory.set(project_id, { servers: [{ id: 'a' }] })
    const large = await world.order({ ...wait, spec: { min_count: 2 } })
    await world.statusWhen(large, ({ waiting }) =>
      expect(waiting).toMatchObject({
        reason: 'capacity',
        detail: '1 server is ready, fewer than the 2 asked for',
      }),
    )
    // Smaller ones go meanwhile.
    const small = await world.order({ project_id })
    expect((await world.ended(small)).state).toBe('running')
    world.simulator.inventory.set(project_id, { servers: ['b', 'c'].map((id) => ({ id })) })
    expect((await world.ended(large)).state).toBe('running')
    expect(boundToFail(project_id).length).toBeLessThan(2)
  })

  test('of selected servers waits if it wants to, and goes when they are back', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, {
      servers: [{ id: 'a' }, { id: 'b', manage_state: 'maintain' }],
    })
    const wait = { project_id, when_not_ready: 'wait' }
    const selected = await world.order({ ...wait, spec: { placement: { server_id_set: ['b', 'c'] } } })
    await world.statusWhen(selected, ({ waiting }) =>
      expect(waiting).toMatchObject({ reason: 'capacity', detail: 'servers not found: c' }),
    )
    world.simulator.inventory.set(project_id, { servers: ['b', 'c'].map((id) => ({ id })) })
    expect((await world.ended(selected)).state).toBe('running')
    expect(boundToFail(project_id)).toEqual([])
  })
})

test('of a burst that asks for more than there is, as many go as can, and no call is made for the others', async () => {
  const project_id = world.newProject()
  world.simulator.inventory.set(project_id, { count: 30 })
  const keys = await Promise.all(
    Array.from({ length: 60 }, (_, n) => world.order({ project_id, spec: { min_count: 1 + (n % 3) } })),
  )
  const ended = await Promise.all(keys.map(world.ended))
  const running = ended.filter(({ state }) => state === 'running')
  expect(running.reduce((sum, { counts }) => sum + counts.created, 0)).toBe(30)
  expect(boundToFail(project_id)).toEqual([])
  expect(world.calls(project_id)).toHaveLength(running.length)
})

test('of many orders of one server, the first goes, and no call is made for the others', async () => {
  const project_id = world.newProject()
  world.simulator.inventory.set(project_id, { servers: [{ id: 'a' }, { id: 'b' }] })
  const keys = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      world.order({ project_id, spec: { placement: { server_id_set: [n % 2 === 0 ? 'a' : 'b'] } } }),
    ),
  )
  const ended = await Promise.all(keys.map(world.ended))
  expect(ended.filter(({ state }) => state === 'running')).toHaveLength(2)
  expect(world.calls(project_id)).toHaveLength(2)
})

describe.concurrent('a reading that cannot be had', () => {
  test.each([
    ['forbidden', { status: 403, body: { error_code: 'iMetal.0004', error_msg: 'no' } }],
    ['unknown there', { status: 404, body: 'not here' }],
    ['not allowed there', { status: 405, body: '' }],
    ['no answer to the question', { status: 200, body: { instances: [], page_info: {}, count: 0 } }],
  ])('because it is %s, lets orders go as without it', async (_case, script) => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { servers: [{ id: 'a' }, { id: 'b' }] })
    for (const operation of READINGS)
      world.simulator.faults.add({
        kind: 'error_before',
        operation,
        project: project_id,
        count: null,
        ...script,
      })
    const any = await world.order({ project_id })
    expect((await world.ended(any)).state).toBe('running')
    const selected = await world.order({ project_id, spec: { placement: { server_id_set: ['none'] } } })
    expect((await world.ended(selected)).attempts).toBe(1)
  })

  test.each([
    ['it fails', { kind: 'error_before', status: 500, body: 'oops' }],
    ['it is cut off', { kind: 'cut_before' }],
    ['it hangs', { kind: 'hold' }],
  ])('because %s, does so too', async (_case, script) => {
    const project_id = world.newProject()
    for (const operation of READINGS)
      world.simulator.faults.add({ operation, project: project_id, count: null, ...script } as never)
    const any = await world.order({ project_id })
    expect((await world.ended(any)).state).toBe('running')
  })
})

test('it can be switched off', async () => {
  await using other = await createAppWorld({ settings: { PREFLIGHT: 'off' } })
  await other.startApp()
  const project_id = other.newProject()
  other.simulator.inventory.set(project_id, { count: 0 })
  const key = await other.order({ project_id })
  expect((await other.ended(key)).attempts).toBe(1)
  await eventually(() => expect(other.calls(project_id)).toHaveLength(1))
})
