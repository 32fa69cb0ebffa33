import { describe, expect, it } from 'vitest'
import { goodBody, startCaller } from './caller.ts'

const servers = (...ids: string[]) => ({ servers: ids.map((id) => ({ id })) })
const placed = (...ids: string[]) => ({ placement: { server_id_set: ids } })

describe('batch-create', () => {
  it('answers 202 with version 7 ids and nothing else', async () => {
    const { create } = await startCaller()
    const { status, json, headers } = await create({ min_count: 2, max_count: 2 })
    expect(status).toBe(202)
    expect(Object.keys(json)).toEqual(['instances'])
    expect(json.instances).toHaveLength(2)
    for (const instance of json.instances) {
      expect(Object.keys(instance)).toEqual(['id'])
      expect(instance.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    }
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
    expect(headers.get('content-type')).toContain('application/json')
  })

  it.each([
    ['below the minimum', 2, 400, 0],
    ['at the minimum', 3, 202, 3],
    ['between minimum and maximum', 4, 202, 4],
    ['at the maximum', 5, 202, 5],
    ['above the maximum', 9, 202, 5],
  ])('with idle servers %s starts all or none', async (_, ready, status, started) => {
    const { simulator, create } = await startCaller()
    simulator.inventory.set('p', { count: ready })
    const answer = await create({ min_count: 3, max_count: 5 })
    expect(answer.status).toBe(status)
    expect(answer.json.instances?.length ?? 0).toBe(started)
    expect(simulator.inventory.show('p').counts).toMatchObject({
      ready: ready - started,
      'in-use': started,
    })
    if (status === 400) expect(answer.json.error_code).toBe('iMetal.0101')
  })

  it('answers too few servers with the configured code', async () => {
    const { create } = await startCaller({
      serversPerProject: 0,
      tooFewStatus: 409,
      tooFewCode: 'iMetal.0299',
    })
    expect(await create()).toMatchObject({ status: 409, json: { error_code: 'iMetal.0299' } })
  })

  it('takes neither frozen nor unready servers at random', async () => {
    const { simulator, createIds } = await startCaller()
    simulator.inventory.set('p', {
      servers: [
        { id: 'a' },
        { id: 'b', frozen_state: 2 },
        { id: 'c', manage_state: 'maintain' },
        { id: 'd', manage_state: 'onboard' },
      ],
    })
    expect(await createIds({ max_count: 4 })).toHaveLength(1)
    expect(simulator.ledger.instances().map((instance) => instance.server_id)).toEqual(['a'])
  })

  it('takes reserved servers by name only, and frozen ones not even so', async () => {
    const { simulator, create, createIds } = await startCaller()
    simulator.inventory.set('p', {
      servers: [
        { id: 'a', reserved: true },
        { id: 'b', frozen_state: 2 },
      ],
    })
    expect(await create()).toMatchObject({ status: 400, json: { error_code: 'iMetal.0101' } })
    expect(await createIds(placed('a'))).toHaveLength(1)
    expect(await create(placed('b'))).toMatchObject({ status: 400, json: { error_code: 'iMetal.0101' } })
  })

  it('starts exactly the selected servers, one each, whatever the counts say', async () => {
    const { simulator, createIds } = await startCaller()
    simulator.inventory.set('p', servers('a', 'b', 'c'))
    expect(await createIds({ ...placed('c', 'a', 'c'), min_count: 50, max_count: 1 })).toHaveLength(2)
    expect(simulator.ledger.instances().map((instance) => instance.server_id)).toEqual(['c', 'a'])
  })

  it('starts none when a selected server is unknown', async () => {
    const { simulator, create } = await startCaller()
    simulator.inventory.set('p', servers('a', 'b'))
    const { status, json } = await create(placed('a', 'x', 'y'))
    expect(status).toBe(404)
    expect(json).toEqual({
      error_code: 'iMetal.0100',
      error_msg: 'Physical servers ID not found: [x, y]',
    })
    expect(simulator.inventory.show('p').counts.ready).toBe(2)
  })

  it('starts none when one of three selected servers is not ready', async () => {
    const { simulator, create } = await startCaller()
    simulator.inventory.set('p', { servers: [{ id: 'a' }, { id: 'b', manage_state: 'in-use' }, { id: 'c' }] })
    const { status, json } = await create(placed('a', 'b', 'c'))
    expect(status).toBe(400)
    expect(json).toEqual({
      error_code: 'iMetal.0101',
      error_msg: 'Physical servers state is not ready: [b]',
    })
    expect(simulator.inventory.show('p').counts).toMatchObject({ ready: 2, 'in-use': 1 })
    expect(simulator.ledger.instances()).toEqual([])
  })

  it('gives concurrent batches disjoint servers', async () => {
    const { simulator, create } = await startCaller({ serversPerProject: 100 })
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => create({ min_count: 3, max_count: 4 })),
    )
    const accepted = answers.filter(({ status }) => status === 202)
    const held = simulator.ledger.instances().map((instance) => instance.server_id)
    expect(new Set(held).size).toBe(held.length)
    expect(held).toHaveLength(100)
    expect(accepted.flatMap(({ json }) => json.instances)).toHaveLength(100)
  })

  it('refuses interfaces of another VPC than vpc_id', async () => {
    const { create } = await startCaller({ subnets: { s1: 'vpc', s2: 'other' } })
    const interfaces = (...ids: string[]) => ({
      network_interfaces: ids.map((subnet_id) => ({ subnet_id })),
    })
    const { status, json } = await create(interfaces('s1', 's2'))
    expect(status).toBe(400)
    expect(json.error_code).toBe('iMetal.0001')
    expect(json.error_msg).toContain('network_interfaces[1].subnet_id')
    expect((await create(interfaces('s1', 'unregistered'))).status).toBe(202)
  })

  it.each([
    ['no body', undefined],
    ['an empty body', ''],
    ['broken JSON', '{"name":'],
    ['two values', '{} {}'],
    ['a list', '[]'],
  ])('refuses %s', async (_, body) => {
    const { call } = await startCaller()
    const { status, json } = await call('POST', '/v1/p/instances/batch-create', body)
    expect(status).toBe(400)
    expect(json.error_msg).toContain('body')
  })

  it('refuses bytes that are no UTF-8', async () => {
    const { simulator } = await startCaller()
    const bytes = Buffer.from(JSON.stringify({ ...goodBody, description: 'é' }), 'latin1')
    const url = `${simulator.url}/v1/p/instances/batch-create`
    expect((await fetch(url, { method: 'POST', body: bytes })).status).toBe(400)
  })

  it('refuses a body over the size of the gateway', async () => {
    const { create } = await startCaller()
    const answer = await create({ description: 'x'.repeat(12 * 1024 * 1024) })
    expect(answer).toMatchObject({ status: 413, json: { error_code: 'APIGW.0201' } })
  })

  it('answers 404 for other paths and methods', async () => {
    const { call } = await startCaller()
    for (const [method, path] of [
      ['GET', '/v1/p/instances/batch-create'],
      ['PUT', '/v1/p/instances/batch-create'],
      ['POST', '/v1/p/instance/batch-create'],
      ['GET', '/'],
    ] as const) {
      const { status, json } = await call(method, path)
      expect(status).toBe(404)
      expect(json.error_code).toBe('APIGW.0101')
      expect(json.request_id).toMatch(/^[0-9a-f]{32}$/)
    }
  })

  it('creates at most once per call, and again for a repeated one', async () => {
    const { simulator, createIds } = await startCaller()
    const first = await createIds()
    expect(await createIds()).not.toEqual(first)
    expect(simulator.ledger.instances()).toHaveLength(2)
  })
})

describe('CreateInstance', () => {
  it('starts one instance and answers its id', async () => {
    const { simulator, call, statusOf } = await startCaller()
    simulator.inventory.set('p', servers('a', 'b'))
    const body = { ...goodBody, placement: { server_id: 'b' } }
    const { status, json } = await call('POST', '/v1/p/instances', body)
    expect(status).toBe(202)
    expect(Object.keys(json)).toEqual(['instance_id'])
    expect((await statusOf(json.instance_id)).json.state).toBe('pending')
    expect(simulator.ledger.instances()).toMatchObject([{ server_id: 'b' }])
    expect((await call('POST', '/v1/p/instances', body)).json.error_code).toBe('iMetal.0101')
  })
})

describe('creates that were bound to fail', () => {
  it('are counted: those for which the servers were not there', async () => {
    const { simulator, create } = await startCaller({ serversPerProject: 1 })
    await create({ name: '?' })
    await create(placed('none'))
    await create({ min_count: 2, max_count: 2 })
    simulator.faults.add({ kind: 'error_before' })
    await create()
    await create()
    expect(simulator.ledger.calls().map((call) => call.bound_to_fail)).toEqual([
      false,
      true,
      true,
      false,
      false,
    ])
    expect(simulator.stats().bound_to_fail).toBe(2)
  })
})
