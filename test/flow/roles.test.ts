import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type RequestKey, type RunningApp } from '../support/app-world.ts'

const PROJECT = 'paced'

let world: AppWorld
let intake: RunningApp
let dispatch: RunningApp
const keys: RequestKey[] = []

beforeAll(async () => {
  world = await createAppWorld({
    settings: { RATE_LIMIT_OVERRIDES: JSON.stringify({ [PROJECT]: { per_second: 10, burst: 100 } }) },
  })
  intake = await world.startApp({ ROLES: 'intake,api' })
})
afterAll(() => world.close())

/** In the order in which they are placed. */
const ORDERS = [
  { name: 'a0', priority: 0 },
  { name: 'b5', priority: 5 },
  { name: 'c0' },
  { name: 'd9', priority: 9 },
  { name: 'e5', priority: 5 },
]

describe('a service of several processes, each with a part of the work', () => {
  test('stores what comes in while nobody dispatches', async () => {
    for (const { name, ...changes } of ORDERS) {
      const key = await world.order({ project_id: PROJECT, spec: { name }, ...changes })
      await world.statusWhen(key, ({ state }) => expect(state).toBe('queued'))
      keys.push(key)
    }
    expect(world.simulator.ledger.calls()).toEqual([])
    expect(world.copies()).toEqual([])
  })

  test('dispatches the higher priority first, then the older request', async () => {
    dispatch = await world.startApp({ ROLES: 'dispatch', DISPATCH_CONCURRENCY: '1' })
    for (const key of keys) {
      await world.statusWhen(key, ({ state }) => expect(state).toBe('provisioning'))
    }
    const names = world.creations(PROJECT).map((call) => call.asked?.name)
    expect(names).toEqual(['d9', 'b5', 'e5', 'a0', 'c0'])
  })

  test('polls and publishes only once somebody does', async () => {
    expect(world.copies()).toEqual([])
    expect(world.simulator.ledger.calls({ operation: 'ListInstances' })).toEqual([])
    await world.startApp({ ROLES: 'readiness,outbox' })
    for (const key of keys) {
      expect((await world.allEventsOf(key)).map((event) => event.kind)).toEqual([
        'request.accepted',
        'request.dispatched',
        'instance.running',
        'request.completed',
      ])
    }
  })

  test('answers for its health in every process, and for requests where it has that role', async () => {
    const [key] = keys
    if (key === undefined) throw new Error('no request was placed')
    for (const { url } of [intake, dispatch]) {
      expect((await world.get('/healthz', url)).status).toBe(200)
      expect((await world.get('/readyz', url)).status).toBe(200)
      expect((await world.get<string>('/metrics', url)).body).toContain('provisioner_')
    }
    expect((await world.get(world.pathOf(key), intake.url)).status).toBe(200)
    expect((await world.get(world.pathOf(key), dispatch.url)).status).toBe(404)
  })
})
