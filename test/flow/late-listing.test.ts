import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld({
    // Far too short for an instance to be listed, as long as it did not run.
    settings: { POLL_MAX_MS: '1500', PROVISION_TIMEOUT_MS: '1000' },
  })
  await world.startApp()
})
afterAll(() => world.close())

/** An order whose instances run after 50 ms, and are listed so much later. */
const orderListedAfter = async (project_id: string, visible_after_ms: number) => {
  world.simulator.faults.add({
    kind: 'late',
    operation: 'RunInstances',
    project: project_id,
    visible_after_ms,
  })
  const key = await world.order({ project_id, spec: { min_count: 2 } })
  const events = await world.allEventsOf(key)
  const running = events.flatMap((event) => (event.kind === 'instance.running' ? [event.data] : []))
  return { status: await world.statusOf(key), running }
}

test('an instance whose listing lags behind its status is told of with all that CloudDC names', async () => {
  const project_id = world.newProject()
  const { status, running } = await orderListedAfter(project_id, 800)
  const upstream = world.simulator.ledger.instances({ project: project_id })
  expect(running).toHaveLength(2)
  for (const { instance_id, ...told } of running) {
    const instance = upstream.find(({ id }) => id === instance_id)
    expect(told).toMatchObject({
      name: 'web',
      server_id: instance?.server_id,
      network_interfaces: [{ subnet_id: 'subnet-1', ipv4_address: expect.stringMatching(/^10(\.\d+){3}$/) }],
      image_id: instance?.image_id,
    })
    expect(status.instances.find(({ id }) => id === instance_id)?.running_at).toBe(told.running_at)
  }
  expect(status.state).toBe('running')
})

test('an instance that is not listed for POLL_MAX_MS runs without a server, and does not fail', async () => {
  const { status, running } = await orderListedAfter(world.newProject(), 3_600_000)
  expect(status.state).toBe('running')
  expect(running).toHaveLength(2)
  for (const told of running)
    expect(told).toMatchObject({ server_id: null, network_interfaces: [], image_id: null })
  for (const { running_at } of status.instances)
    expect(Date.parse(status.completed_at ?? '') - Date.parse(running_at ?? '')).toBeGreaterThanOrEqual(1500)
})
