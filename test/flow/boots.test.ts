import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import type { SeenEvent } from '../support/seen-event.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
})
afterAll(() => world.close())

const count = (events: readonly SeenEvent[], kind: string) =>
  events.filter((event) => event.kind === kind).length

describe.concurrent('servers of which some do not boot', () => {
  test.each([
    ['enough run', { min_count: 2, max_count: 4 }, 2, 'partially_running', null],
    ['too few run', { min_count: 3, max_count: 4 }, 2, 'failed', 'too_few_running'],
    ['none runs', { min_count: 1, max_count: 2 }, 2, 'failed', 'too_few_running'],
  ])('end the request by its least count: %s', async (_, spec, boot_failures, state, code) => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'boot',
      operation: 'RunInstances',
      project: project_id,
      boot_ms: 30,
      boot_failures,
    })
    const key = await world.order({ project_id, spec })
    const events = await world.allEventsOf(key)
    const running = spec.max_count - boot_failures
    expect(count(events, 'instance.running')).toBe(running)
    expect(count(events, 'instance.failed')).toBe(boot_failures)
    const counts = {
      min: spec.min_count,
      max: spec.max_count,
      created: spec.max_count,
      running,
      failed: boot_failures,
    }
    expect(events.at(-1)?.data).toMatchObject({ state, counts, error: code === null ? null : { code } })
    const status = await world.statusOf(key)
    expect(status).toMatchObject({ state, counts, error: code === null ? null : { code } })
    for (const instance of status.instances) {
      if (instance.state === 'failed') expect(instance).toMatchObject({ error: { code: expect.any(String) } })
      else expect(instance).toMatchObject({ state: 'running', error: null, running_at: expect.any(String) })
    }
  })

  test('count in full where the servers were selected', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { servers: [{ id: 'a' }, { id: 'b' }] })
    world.simulator.faults.add({
      kind: 'boot',
      operation: 'RunInstances',
      project: project_id,
      boot_ms: 30,
      boot_failures: 1,
    })
    const key = await world.order({ project_id, spec: { placement: { server_id_set: ['a', 'b'] } } })
    expect(await world.ended(key)).toMatchObject({
      state: 'failed',
      counts: { min: 2, max: 2, created: 2, running: 1, failed: 1 },
      error: { code: 'too_few_running' },
    })
  })
})

describe.concurrent('a server that does not run', () => {
  test('in time is failed with provision_timeout, the others run', async () => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'boot',
      operation: 'RunInstances',
      project: project_id,
      boot_ms: 60_000,
    })
    const key = await world.order({ project_id, spec: { min_count: 1, max_count: 2 } })
    const { instances } = await world.statusWhen(key, (status) => expect(status.instances).toHaveLength(2))
    const [slow = '', quick = ''] = instances.map((instance) => instance.id)
    world.simulator.instances.force(quick, 'running')
    await world.statusWhen(key, ({ counts }) => expect(counts.running).toBe(1))
    await world.database.query(
      `UPDATE poll
       SET limit_at = limit_at - interval '1 hour',
         members = ARRAY(
           SELECT json_build_array(m->>0, (m->>1)::bigint - 3600000, m->2, m->3)::text FROM unnest(members::json[]) m
         )
       WHERE members[1]::json->>0 = $1`,
      [slow],
    )
    const events = await world.allEventsOf(key)
    const failed = events.find((event) => event.kind === 'instance.failed')
    expect(failed).toMatchObject({
      subject: slow,
      data: { instance_id: slow, error: { code: 'provision_timeout' } },
    })
    expect(await world.statusOf(key)).toMatchObject({
      state: 'partially_running',
      counts: { running: 1, failed: 1 },
    })
  })

  test.each([
    ['terminated by somebody', 'instance_terminated'],
    ['in error', expect.any(String)],
  ])('because it was %s is failed at once', async (how, code) => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'boot',
      operation: 'RunInstances',
      project: project_id,
      boot_ms: 60_000,
    })
    const key = await world.order({ project_id })
    const { instances } = await world.statusWhen(key, (status) => expect(status.instances).toHaveLength(1))
    world.simulator.instances.force(instances[0]?.id ?? '', how === 'in error' ? 'error' : 'terminated')
    const events = await world.allEventsOf(key)
    expect(events.map((event) => event.kind)).toContain('instance.failed')
    expect((await world.statusOf(key)).instances).toMatchObject([{ state: 'failed', error: { code } }])
  })
})

describe.concurrent('polling', () => {
  test('asks for many instances at once', async () => {
    const project_id = world.newProject()
    const key = await world.order({ project_id, spec: { min_count: 100, max_count: 100 } })
    expect((await world.ended(key)).counts.running).toBe(100)
    const [first] = world.simulator.ledger.calls({ operation: 'ListInstances', project: project_id })
    const asked = new URLSearchParams(first?.query).get('instance_id')?.split(',')
    expect(new Set(asked).size).toBe(100)
    expect(world.simulator.ledger.calls({ operation: 'ShowInstanceStatus', project: project_id })).toEqual([])
  })

  test('asks singly for instances that the listing does not show yet', async () => {
    const project_id = world.newProject()
    world.simulator.faults.add({
      kind: 'late',
      operation: 'RunInstances',
      project: project_id,
      visible_after_ms: 60_000,
    })
    const key = await world.order({ project_id })
    expect((await world.ended(key)).state).toBe('running')
    const singles = world.simulator.ledger.calls({ operation: 'ShowInstanceStatus', project: project_id })
    expect(singles.length).toBeGreaterThan(0)
  })

  test('goes on after errors of every kind', async () => {
    const project_id = world.newProject()
    const faults = [
      { kind: 'error_before', status: 500 },
      { kind: 'error_before', status: 429 },
      { kind: 'error_before', status: 200, body: '<html>' },
      { kind: 'cut_before' },
      { kind: 'cut_half' },
      { kind: 'truncate', keep: 0 },
    ] as const
    for (const fault of faults) {
      world.simulator.faults.add({ ...fault, operation: 'ListInstances', project: project_id })
    }
    const key = await world.order({ project_id, spec: { min_count: 2 } })
    expect((await world.ended(key)).counts).toMatchObject({ running: 2, failed: 0 })
  })
})
