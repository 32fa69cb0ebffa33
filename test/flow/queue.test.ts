import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type RequestKey } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld({
    settings: {
      DISPATCH_CONCURRENCY: '4',
      RATE_LIMIT_OVERRIDES: JSON.stringify({
        // One call, and then none for as long as a test lasts.
        spent: { per_second: 0.001, burst: 1 },
        idle: { per_second: 0.001, burst: 1 },
        slow: { per_second: 0.1, burst: 1 },
      }),
    },
  })
  await world.startApp()
})
afterAll(() => world.close())

const stored = (key: RequestKey) => world.statusWhen(key, () => undefined)

describe('a deadline', () => {
  test('that has passed already ends the request without a call', async () => {
    const key = await world.order({ project_id: world.newProject(), deadline: '2020-01-01T00:00:00Z' })
    const events = await world.allEventsOf(key)
    expect(events).toMatchObject([
      { kind: 'request.accepted' },
      { kind: 'request.completed', data: { state: 'expired', error: { code: 'deadline_passed' } } },
    ])
    expect(await world.statusOf(key)).toMatchObject({
      state: 'expired',
      attempts: 0,
      error: { code: 'deadline_passed' },
      dispatched_at: null,
    })
    expect(world.calls(key.projectId)).toEqual([])
  })

  test('that passes in the queue ends the request there, and nobody else', async () => {
    const first = await world.order({ project_id: 'spent' })
    await world.statusWhen(first, ({ state }) => expect(state).not.toBe('queued'))
    const patient = await world.order({ project_id: 'spent' })
    const late = await world.order({
      project_id: 'spent',
      deadline: new Date(Date.now() + 3_600_000).toISOString(),
    })
    expect(await stored(late)).toMatchObject({ state: 'queued', waiting: { reason: 'rate_limit' } })
    await world.database.query(
      `UPDATE provision_request SET deadline = now(), expires_at = now() WHERE request_id = $1`,
      [late.requestId],
    )
    expect((await world.ended(late)).state).toBe('expired')
    expect(await world.statusOf(patient)).toMatchObject({
      state: 'queued',
      waiting: { reason: 'rate_limit', until: expect.stringMatching(/Z$/) },
    })
    expect(world.calls('spent')).toHaveLength(1)
  })

  test('that is far away holds nothing up', async () => {
    const key = await world.order({ project_id: world.newProject(), deadline: '2099-01-01T00:00:00+08:00' })
    expect((await world.ended(key)).state).toBe('running')
  })
})

describe('the backlog of one project', () => {
  const placeMany = async (project_id: string, count: number) => {
    const keys = await Promise.all(Array.from({ length: count }, () => world.order({ project_id })))
    await eventually(async () => {
      const [row] = await world.database.query<{ stored: number }>(
        'SELECT count(*)::int AS stored FROM provision_request WHERE project_id = $1',
        [project_id],
      )
      expect(row?.stored).toBe(count)
    })
    return keys
  }

  test('that waits for tokens does not hold up the first request of another', async () => {
    await placeMany('slow', 200)
    const key = await world.order({ project_id: world.newProject() })
    expect((await world.ended(key)).state).toBe('running')
    const { body } = await world.get<{ requests: unknown[] }>(
      '/v1/slow/provision-requests?state=queued&limit=200',
    )
    expect(body.requests.length).toBeGreaterThan(100)
  })

  test('that takes every slot lets another in at its turn', async () => {
    const busy = world.newProject()
    const fault = { kind: 'hold' as const, operation: 'RunInstances' as const, project: busy }
    const hold = world.simulator.faults.add({ ...fault, count: null })
    const keys = await placeMany(busy, 80)
    await world.simulator.faults.struck(hold.id, 4)
    const key = await world.order({ project_id: world.newProject() })
    await stored(key)
    world.simulator.faults.remove(hold.id)
    expect((await world.ended(key)).state).toBe('running')
    for (const each of keys) await world.ended(each)
    const [own] = world.calls(key.projectId)
    const after = world.calls(busy).filter((call) => call.n > (own?.n ?? 0))
    expect(after.length).toBeGreaterThan(10)
  })
})

describe('cancelling', () => {
  test('withdraws what is queued, and nothing after that', async () => {
    const cancel = (key: RequestKey) => fetch(`${world.url()}${world.pathOf(key)}/cancel`, { method: 'POST' })
    const opener = await world.order({ project_id: 'idle' })
    await world.statusWhen(opener, ({ state }) => expect(state).not.toBe('queued'))
    const key = await world.order({ project_id: 'idle' })
    await stored(key)
    expect((await cancel(key)).status).toBe(202)
    expect((await world.statusOf(key)).state).toBe('cancelled')
    expect(await world.allEventsOf(key)).toMatchObject([
      { kind: 'request.accepted' },
      { kind: 'request.completed', data: { state: 'cancelled' } },
    ])
    expect(world.calls('idle')).toHaveLength(1)

    const other = await world.order({ project_id: world.newProject() })
    await world.ended(other)
    const reply = await cancel(other)
    expect(reply.status).toBe(409)
    expect(await reply.json()).toMatchObject({ state: 'running' })
  })
})
