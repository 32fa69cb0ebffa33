import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createSimulator } from '../simulator.ts'
import { goodBody, startCaller } from './caller.ts'

describe('ledger', () => {
  it('tells which call created what', async () => {
    const { create, admin, statusOf } = await startCaller({ bootMinMs: 5, bootMaxMs: 5 })
    const body = { metadata: { a: 'b' }, description: 'd', min_count: 1, max_count: 2 }
    const { json } = await create(body)
    const [first, second] = json.instances
    await statusOf('x')
    const { calls, next_after } = (await admin('GET', '/admin/ledger/calls')).json
    expect(next_after).toBeNull()
    expect(calls[0]).toMatchObject({
      n: 1,
      at: '2027-01-15T08:00:00.000Z',
      at_ms: 1_800_000_000_000,
      project: 'p',
      operation: 'RunInstances',
      method: 'POST',
      status: 202,
      cut: null,
      fault: null,
      over_limit: false,
      asked: { name: 'web', min_count: 1, max_count: 2, servers: null },
      instance_ids: [first.id, second.id],
      body_sha256: createHash('sha256')
        .update(JSON.stringify({ ...goodBody, ...body }))
        .digest('hex'),
      caller_gone: false,
    })
    expect(calls[1]).toMatchObject({ n: 2, operation: 'ShowInstanceStatus', status: 404 })
    expect(calls[1].error_code).toBe('iMetal.0200')
    const { instances } = (await admin('GET', '/admin/ledger/instances')).json
    expect(instances).toMatchObject([
      {
        seq: 1,
        id: first.id,
        call: 1,
        metadata: { a: 'b' },
        description: 'd',
        state: 'pending',
        running_at: null,
      },
      { seq: 2, id: second.id, call: 1 },
    ])
  })

  it('is read in pages and by project and operation', async () => {
    const { create, call, admin } = await startCaller()
    for (let n = 0; n < 5; n += 1) await create()
    await call('POST', '/v1/q/instances/batch-create', goodBody)
    await call('GET', '/v1/p/instances')
    const page = async (query: string) => (await admin('GET', `/admin/ledger/calls?${query}`)).json
    const numbers = (json: { calls: { n: number }[] }) => json.calls.map(({ n }) => n)
    expect(numbers(await page('limit=3'))).toEqual([1, 2, 3])
    expect((await page('limit=3')).next_after).toBe(3)
    expect(numbers(await page('after=3&limit=3'))).toEqual([4, 5, 6])
    expect(numbers(await page('project=q'))).toEqual([6])
    expect(numbers(await page('project=p&operation=RunInstances&after=2&limit=2'))).toEqual([3, 4])
    const listed = await admin('GET', '/admin/ledger/instances?project=p&after=1&limit=2')
    expect(listed.json.instances.map(({ seq }: { seq: number }) => seq)).toEqual([2, 3])
    expect(listed.json.next_after).toBe(3)
    expect((await admin('GET', '/admin/ledger/calls?limit=0')).status).toBe(400)
    expect((await admin('GET', '/admin/ledger/calls?after=x')).status).toBe(400)
  })

  it('tells observers of each call that is over', async () => {
    const { simulator, create } = await startCaller()
    const seen: string[] = []
    const stop = simulator.ledger.onCall(({ operation, status }) => seen.push(`${operation} ${status}`))
    await create()
    await expect.poll(() => seen).toEqual(['RunInstances 202'])
    stop()
    await create()
    await expect.poll(() => simulator.stats().in_flight).toBe(0)
    expect(seen).toHaveLength(1)
  })
})

describe('inventory', () => {
  it('is shown, replaced and changed', async () => {
    const { admin, createIds } = await startCaller({ serversPerProject: 3 })
    const shown = (await admin('GET', '/admin/inventory/p')).json
    expect(shown).toMatchObject({ project: 'p', size: 3, counts: { ready: 3 }, next_after: null })
    const replaced = await admin('PUT', '/admin/inventory/p', { servers: [{ id: 'a' }, { id: 'b' }] })
    expect(replaced.json.servers.map(({ id }: { id: string }) => id)).toEqual(['a', 'b'])
    await admin('PATCH', '/admin/inventory/p', { servers: [{ id: 'a', manage_state: 'maintain' }] })
    const [id] = await createIds()
    expect((await admin('GET', '/admin/inventory/p')).json.servers).toEqual([
      { id: 'a', manage_state: 'maintain', frozen_state: 0, instance_id: null },
      { id: 'b', manage_state: 'in-use', frozen_state: 0, instance_id: id },
    ])
    expect((await admin('GET', '/admin/inventory/p?limit=1')).json).toMatchObject({ next_after: 1 })
    expect((await admin('GET', '/admin/inventory')).json).toEqual({ projects: ['p'] })
  })

  it('never frees a server that an instance holds', async () => {
    const { admin, create, createIds } = await startCaller()
    await admin('PUT', '/admin/inventory/p', { servers: [{ id: 'a' }] })
    await createIds()
    await admin('PUT', '/admin/inventory/p', { servers: [{ id: 'a' }] })
    expect((await create()).status).toBe(400)
    const freed = await admin('PATCH', '/admin/inventory/p', {
      servers: [{ id: 'a', manage_state: 'ready' }],
    })
    expect(freed.status).toBe(400)
  })

  it.each([
    { servers: [{ id: 'x', manage_state: 'maintain' }] },
    { servers: [{ id: 'x', manage_state: 'broken' }] },
    {},
  ])('refuses a change to %j', async (change) => {
    const { admin } = await startCaller()
    expect((await admin('PATCH', '/admin/inventory/p', change)).status).toBe(400)
  })
})

describe('instances', () => {
  it('are forced into a state', async () => {
    const { admin, createIds, statusOf, advance } = await startCaller({ bootMinMs: 1000 })
    const [id = ''] = await createIds()
    const force = (state: string) => admin('POST', `/admin/instances/${id}/state`, { state })
    for (const state of [
      'running',
      'error',
      'pending',
      'stopped',
      'running',
      'shutting-down',
      'terminated',
    ]) {
      expect((await force(state)).json).toMatchObject({ id, state })
      advance(10)
      expect((await statusOf(id)).json.state).toBe(state)
    }
    expect((await admin('GET', '/admin/inventory/p')).json.counts['in-use']).toBe(0)
    expect((await force('running')).status).toBe(400)
    expect((await force('sleeping')).status).toBe(400)
    expect((await admin('POST', '/admin/instances/x/state', { state: 'running' })).status).toBe(400)
  })

  it('stay as they are forced whatever their boot time', async () => {
    const { simulator, createIds, statusOf, advance } = await startCaller({ bootMinMs: 1000 })
    const [id = ''] = await createIds()
    simulator.instances.force(id, 'pending')
    advance(100_000)
    expect((await statusOf(id)).json.state).toBe('pending')
  })
})

describe('settings', () => {
  it('change while running', async () => {
    const { admin, create } = await startCaller()
    expect(
      (await admin('PATCH', '/admin/settings', { faultErrorBefore: 1, limiterRate: 1 })).json,
    ).toMatchObject({
      faultErrorBefore: 1,
      limiterKind: 'token_bucket',
    })
    expect((await create()).status).toBe(500)
    expect((await create()).status).toBe(429)
    expect((await admin('GET', '/admin/settings')).json.limiterRate).toBe(1)
  })

  it.each([{ port: 1 }, { bootMs: 1 }, { faultErrorBefore: 2 }])('refuse %j', async (patch) => {
    const { admin } = await startCaller()
    expect((await admin('PATCH', '/admin/settings', patch)).status).toBe(400)
  })
})

describe('faults', () => {
  it('are queued, listed, released and removed', async () => {
    const { admin, create } = await startCaller()
    const hold = (await admin('POST', '/admin/faults', { kind: 'hold', operation: 'RunInstances' })).json
    expect(hold).toMatchObject({ kind: 'hold', count: 1, hits: 0 })
    const answer = create()
    const listed = async () => (await admin('GET', '/admin/faults')).json.faults
    await expect.poll(listed).toMatchObject([{ id: hold.id, hits: 1, held: 1 }])
    expect((await admin('POST', `/admin/faults/${hold.id}/release`)).json).toEqual({ released: 1 })
    expect((await answer).status).toBe(202)
    expect((await admin('DELETE', `/admin/faults/${hold.id}`)).status).toBe(200)
    expect((await admin('DELETE', `/admin/faults/${hold.id}`)).status).toBe(404)
    const both = await admin('POST', '/admin/faults', [{ kind: 'cut_after' }, { kind: 'throttle' }])
    expect(both.status).toBe(201)
    expect(both.json.faults).toHaveLength(2)
    await admin('DELETE', '/admin/faults')
    expect(await listed()).toEqual([])
    expect((await admin('POST', '/admin/faults', { kind: 'x' })).status).toBe(400)
  })
})

describe('tokens', () => {
  it('are issued and ended', async () => {
    const { admin, call } = await startCaller({ authMode: 'required' })
    const { value } = (await admin('POST', '/admin/tokens', { project: 'p' })).json
    const list = () => call('GET', '/v1/p/instances', undefined, { 'X-Auth-Token': value })
    expect((await list()).status).toBe(200)
    expect((await admin('POST', '/admin/tokens/expire')).json).toEqual({ expired: 1 })
    expect((await list()).status).toBe(401)
  })
})

describe('the port', () => {
  it('counts calls, answers and states', async () => {
    const { admin, create, call } = await startCaller()
    await create({ min_count: 2, max_count: 2 })
    await create({ name: '?' })
    await call('GET', '/nothing')
    expect((await admin('GET', '/admin/stats')).json).toMatchObject({
      calls: 3,
      in_flight: 0,
      throttled: 0,
      operations: {
        RunInstances: { calls: 2, statuses: { 202: 1, 400: 1 } },
        Unknown: { calls: 1, statuses: { 404: 1 } },
      },
      instances: { created: 2, states: { pending: 2 } },
      projects: 1,
    })
    expect((await admin('GET', '/admin/health')).json).toEqual({ status: 'ok' })
    expect((await admin('GET', '/v1/p/instances')).status).toBe(404)
    expect((await admin('POST', '/admin/faults', '{')).status).toBe(400)
  })

  it('resets everything but the knobs and cuts calls in flight', async () => {
    const { simulator, admin, create } = await startCaller({ limiterRate: 5, limiterBurst: 2 })
    await create()
    const fault = simulator.faults.add({ kind: 'hold', phase: 'before' })
    const held = create()
    await simulator.faults.struck(fault.id)
    await expect.poll(() => fault.held).toBe(1)
    expect((await admin('POST', '/admin/reset')).status).toBe(200)
    await expect(held).rejects.toThrow()
    expect(simulator.ledger.calls()).toEqual([])
    expect(simulator.ledger.instances()).toEqual([])
    expect(simulator.inventory.show('p').counts.ready).toBe(1000)
    expect([(await create()).status, (await create()).status, (await create()).status]).toEqual([
      202, 202, 429,
    ])
  })

  it('is one above the API by default, and neither may be taken', async () => {
    const { simulator } = await startCaller()
    await expect(createSimulator({ port: simulator.port })).rejects.toThrow('EADDRINUSE')
    await expect(createSimulator({ adminPort: simulator.port })).rejects.toThrow('EADDRINUSE')
  })

  it('closes at once with calls in flight, also twice', async () => {
    const { simulator, create } = await startCaller()
    const fault = simulator.faults.add({ kind: 'hold' })
    const held = create().catch((error: Error) => error)
    await simulator.faults.struck(fault.id)
    await simulator.close()
    await simulator.close()
    expect(await held).toBeInstanceOf(Error)
  })
})
