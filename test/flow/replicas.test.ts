import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Replicas } from '../../dev/replicas.ts'
import type { SimulatorProcess } from '../../dev/simulator-process.ts'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { READY_MS, startThreeReplicas } from '../support/three-replicas.ts'

/** A burst that leaves room for two seconds in which a call is held up on its way, and far fewer than the orders. */
const RATE = 20
const BURST = 40
const ORDERS = 100

let world: AppWorld
let simulator: SimulatorProcess
let replicas: Replicas

beforeAll(async () => {
  world = await createAppWorld()
  const options = { limit: { rate: RATE, burst: BURST }, bootMs: { min: 20, max: 50 } }
  ;({ simulator, replicas } = await startThreeReplicas(world, options))
})
afterAll(() => world.close())

interface BudgetReply {
  calls: number
  worst_excess: number
}

/** Calls by operation, or all of them, and by how much the worst window went over the limit. */
const budgetOf = (project: string, operation?: string) => {
  const only = operation === undefined ? '' : `&operation=${operation}`
  const query = `rate=${RATE}&burst=${BURST}&project=${project}${only}`
  return simulator.admin<BudgetReply>('GET', `limiter/check?${query}`)
}

describe('three replicas', () => {
  test('share one budget, and order each server once', async () => {
    const projects = [world.newProject(), world.newProject()]
    // A full bucket leaves a tenth of a second to its calls, whatever its burst. An empty one leaves all of it.
    for (const project_id of projects) await world.ended(await world.order({ project_id }))
    await world.database.query('UPDATE rate_bucket SET tokens = 0, refilled_at = now()')
    const keys = await Promise.all(
      projects.flatMap((project_id) => Array.from({ length: ORDERS }, () => world.order({ project_id }))),
    )
    for (const key of keys) expect((await world.ended(key)).state).toBe('running')
    for (const project of projects) {
      expect((await budgetOf(project)).worst_excess).toBeLessThanOrEqual(1e-6)
      expect((await budgetOf(project, 'RunInstances')).calls).toBe(ORDERS + 1)
    }
    const workers = await world.database.query<{ replicas: number }>(
      `SELECT count(DISTINCT id)::int AS replicas FROM replica WHERE lease_until > now()`,
    )
    expect(workers[0]?.replicas).toBeGreaterThanOrEqual(3)
  })

  test('tell every step of every request in order', async () => {
    for (const { body } of world.copies()) expect(JSON.parse(body).specversion).toBe('1.0')
    const key = { projectId: 'project-1', requestId: 'order-1' }
    expect((await world.allEventsOf(key)).map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.dispatched',
      'instance.running',
      'request.completed',
    ])
  })

  test('take over from one that stands still, which changes nothing when it wakes up', async () => {
    const project_id = world.newProject()
    const [paused, ...others] = replicas.all
    if (paused === undefined) throw new Error('there is no replica')
    await replicas.stop()
    // Its lease runs out soon; those of the others last, however slow the machine is.
    paused.start({ LEASE_MS: '2000' })
    await paused.ready(READY_MS)
    const { id } = await simulator.admin<{ id: number }>('POST', 'faults', {
      kind: 'hold',
      operation: 'RunInstances',
      project: project_id,
      phase: 'after',
    })
    const key = await world.order({ project_id })
    await eventually(async () => {
      const faults = await simulator.admin<{ faults: { id: number; held: number }[] }>('GET', 'faults')
      expect(faults.faults.find((fault) => fault.id === id)?.held).toBe(1)
    })
    paused.pause()
    const said = paused.log().length
    for (const replica of others) replica.start()
    expect((await world.ended(key)).state).toBe('running')
    const events = await world.allEventsOf(key)
    expect(events.map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.uncertain',
      'request.dispatched',
      'instance.running',
      'request.completed',
    ])
    const before = { status: await world.statusOf(key), history: await world.historyOf(key) }

    paused.resume()
    await simulator.admin('POST', `faults/${id}/release`)
    await eventually(() => expect(paused.log().slice(said)).toMatch(/lease lost|replica registered/))
    const next = await world.order({ project_id })
    expect((await world.ended(next)).state).toBe('running')
    expect({ status: await world.statusOf(key), history: await world.historyOf(key) }).toEqual(before)
    expect(world.eventsOf(key)).toEqual(events)
    const { calls } = await budgetOf(project_id, 'RunInstances')
    expect(calls).toBe(2)
  })
})
