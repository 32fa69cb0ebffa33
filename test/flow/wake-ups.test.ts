import { expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

/** Longer than any test: whoever acts has been told, knows that something is due, or does not rely on being told. */
const HOUR = { lookEveryMs: 3_600_000 }
const KINDS = ['request.accepted', 'request.dispatched', 'instance.running', 'request.completed']

/** One process for each part of the work, as `settings` change them by role. */
async function startEach(world: AppWorld, settings: Readonly<Record<string, Record<string, string>>> = {}) {
  for (const role of ['intake', 'dispatch', 'readiness', 'outbox'])
    await world.startApp({ ROLES: `${role},api`, ...settings[role] }, HOUR)
}

async function brokerProxy(world: AppWorld): Promise<TcpProxy> {
  const { hostname, port } = new URL(world.broker.url)
  const proxy = await createTcpProxy({ target: { host: hostname, port: Number(port) } })
  world.defer(proxy.close)
  return proxy
}

test('processes with a part of the work each tell each other of it', async () => {
  await using world = await createAppWorld()
  await startEach(world)
  for (let n = 0; n < 3; n += 1) {
    const key = await world.order({ project_id: world.newProject() })
    expect((await world.allEventsOf(key)).map(({ kind }) => kind)).toEqual(KINDS)
  }
})

test('what is postponed is done when it is due, by whichever process has that duty', async () => {
  await using world = await createAppWorld()
  await startEach(world)
  await world.startApp({ ROLES: 'dispatch' }, HOUR)
  const lost = await Promise.all(
    Array.from({ length: 4 }, () => {
      const project = world.newProject()
      world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances', project })
      return world.order({ project_id: project })
    }),
  )
  for (const key of lost) expect((await world.ended(key)).state).toBe('running')
  const closed = world.newProject()
  world.simulator.faults.add({
    kind: 'throttle',
    operation: 'RunInstances',
    project: closed,
    retry_after: 600,
  })
  await world.order({ project_id: closed })
  await eventually(() => expect(world.calls(closed)).toHaveLength(1))
  const late = await world.order({ project_id: closed, deadline: new Date(Date.now() + 1500).toISOString() })
  expect((await world.ended(late)).state).toBe('expired')
})

test('a process whose link to the broker is down looks by itself', async () => {
  await using world = await createAppWorld()
  const proxy = await brokerProxy(world)
  const through = { AMQP_URL: proxy.through(world.broker.url) }
  await startEach(world, { dispatch: through, readiness: through })
  proxy.refuse()
  proxy.cut()
  for (let n = 0; n < 3; n += 1) {
    const key = await world.order({ project_id: world.newProject() })
    await eventually(async () => expect((await world.statusOf(key)).state).toBe('running'))
  }
})

test('a process that had lost its link hears again, and has missed nothing', async () => {
  await using world = await createAppWorld()
  const proxy = await brokerProxy(world)
  await startEach(world, { outbox: { AMQP_URL: proxy.through(world.broker.url) } })
  proxy.refuse()
  proxy.cut()
  const missed = await world.order({ project_id: world.newProject() })
  await eventually(async () => expect((await world.statusOf(missed)).state).toBe('running'))
  proxy.pass()
  expect((await world.allEventsOf(missed)).map(({ kind }) => kind)).toEqual(KINDS)
  const next = await world.order({ project_id: world.newProject() })
  expect((await world.allEventsOf(next)).map(({ kind }) => kind)).toEqual(KINDS)
})
