import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Replicas } from '../../dev/replicas.ts'
import type { SimulatorProcess } from '../../dev/simulator-process.ts'
import { checkBudget } from '../../simulator/budget-check.ts'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { startThreeReplicas } from '../support/three-replicas.ts'

/** Bursts leave room for a call that is held up on its way. */
const CONFIGURED = { rate: 20, burst: 40 }
const LOW = { rate: 4, burst: 8 }
const HIGH = { rate: 40, burst: 60 }
/** A change is in force after this. */
const IN_FORCE_MS = 1000
const REASON = 'to see what the upstream sees of it'

let world: AppWorld
let simulator: SimulatorProcess
let replicas: Replicas

beforeAll(async () => {
  world = await createAppWorld()
  // Long boots, so that there is something to poll while nothing is ordered.
  const options = { limit: CONFIGURED, bootMs: { min: 5000, max: 8000 } }
  ;({ simulator, replicas } = await startThreeReplicas(world, options))
})
afterAll(() => world.close())

interface SeenCall {
  n: number
  at_ms: number
  operation: string
}

async function callsOf(project: string): Promise<SeenCall[]> {
  const calls: SeenCall[] = []
  for (let after: number | null = 0; after !== null; ) {
    const path = `ledger/calls?project=${project}&limit=1000&after=${after}`
    const page: { calls: SeenCall[]; next_after: number | null } = await simulator.admin('GET', path)
    calls.push(...page.calls)
    after = page.next_after
  }
  return calls
}

/** Asks one of the replicas, another one each time; returns when it has answered. */
let asked = 0
async function change(method: string, path: string, body?: object): Promise<number> {
  asked += 1
  const url = `${replicas.all[asked % replicas.all.length]?.url}/operations/${path}`
  const headers = { 'content-type': 'application/json' }
  const reply = await fetch(url, { method, ...(body && { headers, body: JSON.stringify(body) }) })
  expect(reply.status, await reply.text()).toBe(200)
  return Date.now()
}

const limitOf = ({ rate, burst }: typeof LOW) => ({ per_second: rate, burst, reason: REASON })

/** Waits until the upstream has seen so many creating calls after that time. */
const ordersSince = (project: string, time: number, count: number) =>
  eventually(async () => {
    const since = (await callsOf(project)).filter(
      (call) => call.operation === 'RunInstances' && call.at_ms > time,
    )
    expect(since.length).toBeGreaterThanOrEqual(count)
  })

describe('three replicas under load', () => {
  test('obey a limit within a second, and never exceed the larger of both', async () => {
    const project = world.newProject()
    const keys = await Promise.all(Array.from({ length: 260 }, () => world.order({ project_id: project })))
    await ordersSince(project, 0, 60)
    const lowered = await change('PUT', `projects/${project}/limit`, limitOf(LOW))
    await ordersSince(project, lowered + IN_FORCE_MS, 12)
    const raisedFrom = Date.now()
    const raised = await change('PUT', `projects/${project}/limit`, limitOf(HIGH))
    await ordersSince(project, raised + IN_FORCE_MS, 40)
    const removedFrom = Date.now()
    const removed = await change('DELETE', `projects/${project}/limit?reason=${encodeURIComponent(REASON)}`)
    for (const key of keys) expect((await world.ended(key)).state).toBe('running')

    const times = (await callsOf(project)).map((call) => call.at_ms)
    const excess = (from: number, to: number, limit: typeof LOW) =>
      checkBudget(
        times.filter((time) => time >= from && time <= to),
        limit,
      ).worst_excess
    const [start, end] = [0, Number.POSITIVE_INFINITY]
    const low = times.filter((time) => time > lowered + IN_FORCE_MS && time < raisedFrom)
    expect(low.length).toBeGreaterThanOrEqual(12)
    expect(excess(lowered + IN_FORCE_MS, raisedFrom, LOW)).toBeLessThanOrEqual(1e-6)
    expect(excess(start, raisedFrom, CONFIGURED)).toBeLessThanOrEqual(1e-6)
    expect(excess(lowered, removedFrom, HIGH)).toBeLessThanOrEqual(1e-6)
    expect(excess(removed + IN_FORCE_MS, end, CONFIGURED)).toBeLessThanOrEqual(1e-6)
    expect(excess(start, end, HIGH)).toBeLessThanOrEqual(1e-6)
    // The higher rate is used: the lower one would not have let so many through.
    expect(excess(raised + IN_FORCE_MS, removedFrom, LOW)).toBeGreaterThan(0)
  })

  test('order nothing while paused, go on reading, and go on ordering when resumed', async () => {
    const [project, other] = [world.newProject(), world.newProject()]
    const keys = await Promise.all(Array.from({ length: 120 }, () => world.order({ project_id: project })))
    await ordersSince(project, 0, 50)
    const paused = await change('POST', `projects/${project}/pause`, { reason: REASON })
    expect((await world.ended(await world.order({ project_id: other }))).state).toBe('running')
    const polls = (calls: readonly SeenCall[]) =>
      calls.filter(({ operation, at_ms }) => operation !== 'RunInstances' && at_ms > paused + IN_FORCE_MS)
    await eventually(async () => expect(polls(await callsOf(project)).length).toBeGreaterThan(2))
    const waits = (await Promise.all(keys.map(world.statusOf))).filter(({ state }) => state === 'queued')
    expect(waits.length).toBeGreaterThan(0)
    for (const { waiting } of waits) expect(waiting).toMatchObject({ reason: 'paused', until: null })
    const resumedFrom = Date.now()
    await change('POST', 'pause', { reason: REASON })
    await change('POST', `projects/${project}/resume`, { reason: REASON })
    await change('POST', 'resume', { reason: REASON })
    for (const key of keys) expect((await world.ended(key)).state).toBe('running')
    const seen = await callsOf(project)
    const held = seen.filter(
      ({ operation, at_ms }) =>
        operation === 'RunInstances' && at_ms > paused + IN_FORCE_MS && at_ms < resumedFrom,
    )
    expect(held).toEqual([])
    expect(seen.filter(({ operation }) => operation === 'RunInstances')).toHaveLength(keys.length)
    expect(
      checkBudget(
        seen.map((call) => call.at_ms),
        CONFIGURED,
      ).worst_excess,
    ).toBeLessThanOrEqual(1e-6)
  })

  test('and the audit tells all of it', async () => {
    const { body } = await world.get<{ entries: { verb: string; reason: string }[] }>('/operations/audit')
    expect(body.entries.map(({ verb }) => verb).toReversed()).toEqual([
      ...['limit.set', 'limit.set', 'limit.remove'],
      ...['pause', 'pause', 'resume', 'resume'],
    ])
    for (const { reason } of body.entries) expect(reason).toBe(REASON)
  })
})
