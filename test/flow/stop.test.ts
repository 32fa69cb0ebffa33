import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAppProcess } from '../support/app-process.ts'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp({ ROLES: 'api,outbox' })
})
afterAll(() => world.close())

/** A process of the service that is up. */
async function startProcess(settings: Readonly<Record<string, string>> = {}) {
  const started = await startAppProcess({ ...world.environment, ...settings })
  world.defer(started.kill)
  await started.ready()
  return started
}

describe('a process that is told to stop', () => {
  test('under load ends with 0, and leaves nothing lost, doubled or in doubt', async () => {
    const project_id = world.newProject()
    const fault = { kind: 'hold' as const, operation: 'RunInstances' as const, project: project_id }
    const hold = world.simulator.faults.add({ ...fault, count: null })
    const first = await startProcess({
      DISPATCH_CONCURRENCY: '8',
      INTAKE_BATCH_SIZE: '20',
      // With this, all orders would take longer than a stop may.
      RATE_LIMIT_OVERRIDES: JSON.stringify({ [project_id]: { per_second: 4, burst: 8 } }),
    })
    const placing = Promise.all(Array.from({ length: 100 }, () => world.order({ project_id })))
    await world.simulator.faults.struck(hold.id, 8)
    first.send('SIGTERM')
    await eventually(() => expect(first.log()).toContain('"msg":"stopping"'))
    world.simulator.faults.remove(hold.id)
    expect(await first.ended).toBe(0)
    const keys = await placing
    const made = world.creations(project_id).length
    expect(made).toBeGreaterThanOrEqual(8)
    expect(made).toBeLessThan(100)
    expect(world.simulator.stats().in_flight).toBe(0)
    const open = await world.database.query(
      `SELECT state::text FROM provision_request WHERE state IN ('dispatching', 'uncertain')
       UNION ALL SELECT 'claim' FROM claim`,
    )
    expect(open).toEqual([])

    const successor = await world.startApp()
    for (const key of keys) {
      expect((await world.ended(key)).state).toBe('running')
      expect((await world.allEventsOf(key)).map((event) => event.kind)).toEqual([
        'request.accepted',
        'request.dispatched',
        'instance.running',
        'request.completed',
      ])
    }
    expect(world.creations(project_id)).toHaveLength(100)
    await successor.stop()
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('by %s waits for the answers on their way', async (signal) => {
    const project_id = world.newProject()
    const hold = world.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', project: project_id })
    const own = await startProcess()
    const key = await world.order({ project_id })
    await world.simulator.faults.struck(hold.id)
    own.send(signal)
    await eventually(() => expect(own.log()).toContain('"msg":"stopping"'))
    world.simulator.faults.release(hold.id)
    expect(await own.ended).toBe(0)
    expect((await world.historyOf(key)).filter((entry) => entry.kind === 'attempt')).toMatchObject([
      { state: 'created' },
    ])
  })

  test('twice ends at once', async () => {
    const project_id = world.newProject()
    const hold = world.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', project: project_id })
    const own = await startProcess()
    await world.order({ project_id })
    await world.simulator.faults.struck(hold.id)
    own.send('SIGTERM')
    await eventually(() => {
      own.send('SIGTERM')
      expect(own.log()).toContain('second signal, ending at once')
    })
    expect(await own.ended).toBe(1)
    world.simulator.faults.release(hold.id)
  })

  test('while its servers are unreachable ends all the same', async () => {
    const own = await startAppProcess({
      ...world.environment,
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
      AMQP_URL: 'amqp://127.0.0.1:1',
    })
    world.defer(own.kill)
    await eventually(async () => expect((await fetch(`${own.url}/healthz`)).status).toBe(200))
    own.send('SIGTERM')
    expect(await own.ended).toBe(0)
  })
})

test('a process with a faulty environment ends with 78 and names every fault', async () => {
  const own = await startAppProcess({ RATE_LIMIT_BURST: '0.5', DATABASE_URL: 'mysql://x', ROLES: 'cook' })
  expect(await own.ended).toBe(78)
  for (const name of [
    'RATE_LIMIT_BURST',
    'DATABASE_URL',
    'AMQP_URL',
    'CLOUDDC_ENDPOINT',
    'SECRET_KEYS',
    'ROLES',
  ]) {
    expect(own.log()).toContain(name)
  }
})
