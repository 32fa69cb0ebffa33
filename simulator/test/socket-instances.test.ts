import { describe, expect, it } from 'vitest'
import { startCaller } from './caller.ts'

const boot = { bootMinMs: 1000, bootMaxMs: 1000, deleteMinMs: 300, deleteMaxMs: 300 }
const idsOf = (answer: { json: { instances: { id: string }[] } }) =>
  answer.json.instances.map((instance) => instance.id)

describe('life of an instance', () => {
  it('goes from pending to running when its boot time is over', async () => {
    const { createIds, statusOf, advance } = await startCaller(boot)
    const [id = ''] = await createIds()
    expect((await statusOf(id)).json).toEqual({ state: 'pending', operation_state: 'install-processing' })
    advance(999)
    expect((await statusOf(id)).json.state).toBe('pending')
    advance(1)
    expect((await statusOf(id)).json).toEqual({ state: 'running', operation_state: 'install-succeed' })
  })

  it('ends a failed boot in error with its cause and holds the server until deleted', async () => {
    const { simulator, createIds, statusOf, advance, call } = await startCaller({
      ...boot,
      bootFailureProbability: 1,
    })
    const [id = ''] = await createIds()
    advance(1000)
    expect((await statusOf(id)).json).toMatchObject({
      state: 'error',
      operation_state: 'install-failed',
      error: { error_code: 'iMetal.0110', error_type: 'create_instance_error' },
    })
    expect(simulator.inventory.show('p').counts['in-use']).toBe(1)
    expect((await call('DELETE', `/v1/p/instances/${id}`)).status).toBe(204)
    advance(300)
    expect(simulator.inventory.show('p').counts['in-use']).toBe(0)
  })

  it('fails a share of boots that follows the seed', async () => {
    const states = async (seed: number) => {
      const { simulator, createIds, advance } = await startCaller({
        ...boot,
        seed,
        bootFailureProbability: 0.3,
      })
      await createIds({ min_count: 100, max_count: 100 })
      advance(1000)
      return simulator.ledger.instances().map((instance) => instance.state)
    }
    const first = await states(1)
    expect(await states(1)).toEqual(first)
    expect(await states(2)).not.toEqual(first)
    const failed = first.filter((state) => state === 'error').length
    expect(failed).toBeGreaterThan(10)
    expect(failed).toBeLessThan(60)
  })

  it('spreads boot times over their range', async () => {
    const { simulator, createIds, advance } = await startCaller({ bootMinMs: 0, bootMaxMs: 1000 })
    await createIds({ min_count: 100, max_count: 100 })
    advance(500)
    const running = simulator.ledger.instances().filter((instance) => instance.running_at !== null).length
    expect(running).toBeGreaterThan(20)
    expect(running).toBeLessThan(80)
  })

  it('is deleted: 204, shutting-down, terminated, server ready again', async () => {
    const { simulator, createIds, statusOf, advance, call } = await startCaller(boot)
    const [id = ''] = await createIds()
    advance(1000)
    const deleted = await call('DELETE', `/v1/p/instances/${id}`)
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    expect((await statusOf(id)).json.state).toBe('shutting-down')
    expect(simulator.inventory.show('p').counts['in-use']).toBe(1)
    advance(300)
    expect((await statusOf(id)).json.state).toBe('terminated')
    expect(simulator.inventory.show('p').counts).toMatchObject({ ready: 1000, 'in-use': 0 })
  })

  it('can be deleted while pending and then never runs', async () => {
    const { simulator, createIds, statusOf, advance, call } = await startCaller(boot)
    const [id = ''] = await createIds()
    await call('DELETE', `/v1/p/instances/${id}`)
    advance(5000)
    expect((await statusOf(id)).json.state).toBe('terminated')
    expect(simulator.ledger.instances()).toMatchObject([{ running_at: null }])
  })

  it('is not found by a second delete', async () => {
    const { createIds, advance, call } = await startCaller(boot)
    const [id = ''] = await createIds()
    await call('DELETE', `/v1/p/instances/${id}`)
    for (const wait of [0, 300]) {
      advance(wait)
      expect(await call('DELETE', `/v1/p/instances/${id}`)).toMatchObject({
        status: 404,
        json: { error_code: 'iMetal.0200', error_msg: `Instances not found: [${id}]` },
      })
    }
  })

  it('is unknown to other projects', async () => {
    const { createIds, call } = await startCaller(boot)
    const [id = ''] = await createIds()
    expect(await call('GET', `/v1/q/instances/${id}/status`)).toMatchObject({
      status: 404,
      json: { error_code: 'iMetal.0200' },
    })
    expect((await call('DELETE', `/v1/q/instances/${id}`)).status).toBe(404)
  })

  it('is forgotten some time after its end when told so', async () => {
    const { createIds, statusOf, advance, call } = await startCaller({ ...boot, terminatedVisibleMs: 50 })
    const [id = ''] = await createIds()
    await call('DELETE', `/v1/p/instances/${id}`)
    advance(349)
    expect((await statusOf(id)).json.state).toBe('terminated')
    advance(1)
    expect((await statusOf(id)).status).toBe(404)
    expect((await call('GET', '/v1/p/instances')).json).toMatchObject({ instances: [], count: 0 })
  })
})

describe('batch-delete', () => {
  it('deletes all or none', async () => {
    const { createIds, statusOf, call } = await startCaller(boot)
    const ids = await createIds({ min_count: 3, max_count: 3 })
    const remove = (...set: (string | undefined)[]) =>
      call('POST', '/v1/p/instances/batch-delete', { instance_id_set: set })
    expect(await remove(ids[0], 'x')).toMatchObject({ status: 404, json: { error_code: 'iMetal.0200' } })
    expect((await statusOf(ids[0] ?? '')).json.state).toBe('pending')
    expect(await remove(ids[0], ids[1], ids[0])).toMatchObject({
      status: 202,
      json: { instances: [{ id: ids[0] }, { id: ids[1] }] },
    })
    expect((await statusOf(ids[0] ?? '')).json.state).toBe('shutting-down')
    expect((await remove(ids[1], ids[2])).status).toBe(404)
    expect((await statusOf(ids[2] ?? '')).json.state).toBe('pending')
  })
})

describe('ListInstances', () => {
  it('shows everything about an instance', async () => {
    const { createIds, advance, call } = await startCaller(boot)
    const metadata = { 'provisioner-attempt': 'x', b: '' }
    const [id] = await createIds({ metadata, description: 'd' })
    const [pending] = (await call('GET', '/v1/p/instances')).json.instances
    expect(pending).toMatchObject({
      id,
      name: 'web',
      vpc_id: 'vpc',
      metadata,
      description: 'd',
      state: 'pending',
    })
    expect(pending.network_interfaces).toEqual([{ subnet_id: 'subnet' }])
    expect(pending.image).toMatchObject({ id: 'image', os_type: 'Linux' })
    expect(pending.server_id).toMatch(/^[0-9a-f-]{36}$/)
    expect(pending.created_at).toBe('2027-01-15T08:00:00.000Z')
    expect(pending.launched_at).toBe('')
    expect(JSON.stringify(pending)).not.toContain('Abcdef1!')
    advance(2000)
    const [running] = (await call('GET', '/v1/p/instances')).json.instances
    expect(running).toMatchObject({ state: 'running', launched_at: '2027-01-15T08:00:01.000Z' })
    expect(running.updated_at).toBe('2027-01-15T08:00:01.000Z')
    expect(running.network_interfaces).toEqual([{ subnet_id: 'subnet', ipv4_address: '10.0.0.1' }])
  })

  it('pages by markers, at least 10 and by default 10 at a time', async () => {
    const { createIds, call } = await startCaller(boot)
    const ids = await createIds({ min_count: 25, max_count: 25 })
    for (const limit of ['', '&limit=1', '&limit=10']) {
      const seen: string[] = []
      const sizes: number[] = []
      let marker: string | undefined = ''
      while (marker !== undefined) {
        const { json } = await call('GET', `/v1/p/instances?marker=${marker}${limit}`)
        expect(json.count).toBe(25)
        expect(json.page_info.current_count).toBe(json.instances.length)
        sizes.push(json.instances.length)
        seen.push(...json.instances.map((instance: { id: string }) => instance.id))
        marker = json.page_info.next_marker
      }
      expect(sizes).toEqual([10, 10, 5])
      expect(seen).toEqual(ids)
    }
    const all = await call('GET', '/v1/p/instances?limit=5000')
    expect(idsOf(all)).toEqual(ids)
    expect(all.json.page_info.next_marker).toBeUndefined()
  })

  it('ends exactly at a full page without a marker', async () => {
    const { createIds, call } = await startCaller(boot)
    await createIds({ min_count: 10, max_count: 10 })
    const { json } = await call('GET', '/v1/p/instances?limit=10')
    expect(json.page_info.next_marker).toBeUndefined()
  })

  it('gives up to 100 instances by id and refuses 101', async () => {
    const { createIds, call } = await startCaller(boot)
    const ids = await createIds({ min_count: 100, max_count: 100 })
    const all = await call('GET', `/v1/p/instances?limit=100&instance_id=${ids.join(',')}`)
    expect(idsOf(all)).toEqual(ids)
    const encoded = await call(
      'GET',
      `/v1/p/instances?instance_id=${encodeURIComponent(`${ids[3]},unknown`)}`,
    )
    expect(idsOf(encoded)).toEqual([ids[3]])
    expect(encoded.json.count).toBe(1)
    expect(await call('GET', `/v1/p/instances?instance_id=${ids.join(',')},x`)).toMatchObject({
      status: 400,
      json: { error_code: 'iMetal.0001' },
    })
  })

  it('pages through a filtered list', async () => {
    const { createIds, call } = await startCaller(boot)
    const ids = await createIds({ min_count: 30, max_count: 30 })
    const query = `instance_id=${ids.slice(5, 20).join(',')}`
    const first = await call('GET', `/v1/p/instances?${query}`)
    const marker = first.json.page_info.next_marker
    const second = await call('GET', `/v1/p/instances?${query}&marker=${marker}`)
    expect([...idsOf(first), ...idsOf(second)]).toEqual(ids.slice(5, 20))
    expect(second.json.count).toBe(15)
  })

  it('filters by server, with all instances a server ever had', async () => {
    const { simulator, createIds, advance, call } = await startCaller(boot)
    simulator.inventory.set('p', { servers: [{ id: 'a' }, { id: 'b' }] })
    const onA = { placement: { server_id_set: ['a'] } }
    const [first = ''] = await createIds(onA)
    await createIds({ placement: { server_id_set: ['b'] } })
    await call('DELETE', `/v1/p/instances/${first}`)
    advance(300)
    const [second] = await createIds(onA)
    expect(idsOf(await call('GET', '/v1/p/instances?server_id=a,unknown'))).toEqual([first, second])
  })

  it('filters by state, in old words and new', async () => {
    const { simulator, createIds, call } = await startCaller(boot)
    const [failed = '', running = '', pending = ''] = await createIds({ min_count: 3, max_count: 3 })
    simulator.instances.force(failed, 'error')
    simulator.instances.force(running, 'running')
    const inState = async (state: string) =>
      idsOf(await call('GET', `/v1/p/instances?instance_state=${state}`))
    expect(await inState('failed')).toEqual([failed])
    expect(await inState('error')).toEqual([failed])
    expect(await inState('running')).toEqual([running])
    expect(await inState('pending')).toEqual([pending])
    expect(await inState('stopping')).toEqual([])
  })

  it.each([
    ['limit', 'limit=x'],
    ['marker', 'marker=x'],
    ['instance_state', 'instance_state=x'],
    ['instance_id', 'instance_id=a&server_id=b'],
    ['server_id', `server_id=${'a,'.repeat(100)}b`],
  ])('refuses a wrong %s and names it', async (field, query) => {
    const { call } = await startCaller(boot)
    const { status, json } = await call('GET', `/v1/p/instances?${query}`)
    expect(status).toBe(400)
    expect(json.error_msg).toContain(field)
  })

  it('lists new instances late when told so, while their status is known', async () => {
    const { createIds, statusOf, advance, call } = await startCaller({
      ...boot,
      visibleLateProbability: 1,
      visibleLateMinMs: 100,
      visibleLateMaxMs: 200,
    })
    const [id = ''] = await createIds()
    const listed = async () => (await call('GET', '/v1/p/instances')).json
    advance(99)
    expect(await listed()).toMatchObject({ instances: [], count: 0 })
    expect((await call('GET', `/v1/p/instances?instance_id=${id}`)).json.instances).toEqual([])
    expect((await statusOf(id)).json.state).toBe('pending')
    advance(101)
    expect(await listed()).toMatchObject({ instances: [{ id }], count: 1 })
  })
})

describe('servers', () => {
  it('are listed in pages and by state, and shown one by one', async () => {
    const { createIds, call } = await startCaller({ ...boot, serversPerProject: 25 })
    await createIds({ min_count: 3, max_count: 3 })
    const first = (await call('GET', '/v1/p/physicalservers?limit=20')).json
    expect(first.servers).toHaveLength(20)
    expect(first.count).toBe(25)
    const second = (await call('GET', `/v1/p/physicalservers?limit=20&marker=${first.page_info.next_marker}`))
      .json
    expect(second.servers).toHaveLength(5)
    expect(second.page_info.next_marker).toBeUndefined()
    const held = (await call('GET', '/v1/p/physicalservers?manage_state=in-use')).json
    expect(held.count).toBe(3)
    expect(held.servers).toHaveLength(3)
    const [server] = held.servers
    expect(server).toMatchObject({ project_id: 'p', manage_state: 'in-use', health_state: 'OK' })
    expect((await call('GET', `/v1/p/physicalservers/${server.id}`)).json).toEqual(server)
    expect(await call('GET', '/v1/p/physicalservers/x')).toMatchObject({
      status: 404,
      json: { error_code: 'iMetal.0100' },
    })
    const counts = (await call('GET', '/v1/p/physicalservers/status')).json
    expect(counts.server_manage_state).toMatchObject({ ready: 22, 'in-use': 3 })
    expect((await call('GET', '/v1/p/physicalservers?manage_state=x')).status).toBe(400)
  })
})
