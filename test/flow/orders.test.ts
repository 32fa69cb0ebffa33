import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { buildRequest } from '../support/request-builder.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
})
afterAll(() => world.close())

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe.concurrent('an order', () => {
  test('of one server is created once, runs, and tells each step', async () => {
    const key = await world.order({ project_id: world.newProject() })
    const status = await world.ended(key)
    expect(status).toMatchObject({
      state: 'running',
      counts: { min: 1, max: 1, created: 1, running: 1, failed: 0 },
      attempts: 1,
      waiting: null,
      error: null,
    })
    const [instance] = world.simulator.ledger.instances({ project: key.projectId })
    expect(status.instances).toMatchObject([
      { id: instance?.id, state: 'running', name: 'web', server_id: instance?.server_id, error: null },
    ])
    expect(world.creations(key.projectId)).toHaveLength(1)
    expect((await world.allEventsOf(key)).map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.dispatched',
      'instance.running',
      'request.completed',
    ])
  })

  test('of a range gets as many as there are, and runs in full', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { count: 4 })
    const key = await world.order({ project_id, spec: { min_count: 2, max_count: 6 } })
    const status = await world.ended(key)
    expect(status).toMatchObject({
      state: 'running',
      counts: { min: 2, max: 6, created: 4, running: 4, failed: 0 },
    })
    expect(world.calls(project_id)[0]?.asked).toMatchObject({ min_count: 2, max_count: 6 })
    const events = await world.allEventsOf(key)
    expect(events.filter((event) => event.kind === 'instance.running')).toHaveLength(4)
  })

  test.each([
    ['neither count is for exactly one', {}, [1, 1]],
    ['a least count alone is for exactly that many', { min_count: 3 }, [3, 3]],
    ['a greatest count alone is for one or more', { max_count: 3 }, [1, 3]],
  ])('with %s', async (_, spec, [min_count, max_count]) => {
    const key = await world.order({ project_id: world.newProject(), spec })
    const { counts } = await world.ended(key)
    expect(counts).toMatchObject({ min: min_count, max: max_count, created: max_count })
    expect(world.calls(key.projectId)[0]?.asked).toMatchObject({ min_count, max_count })
  })

  test('of selected servers gets these and no others, whatever its counts say', async () => {
    const project_id = world.newProject()
    world.simulator.inventory.set(project_id, { servers: ['a', 'b', 'c', 'd'].map((id) => ({ id })) })
    const key = await world.order({
      project_id,
      spec: { placement: { server_id_set: ['d', 'b'] }, min_count: 7, max_count: 9 },
    })
    const status = await world.ended(key)
    expect(status).toMatchObject({ state: 'running', counts: { min: 2, max: 2, created: 2, running: 2 } })
    expect(status.instances.map((instance) => instance.server_id).toSorted()).toEqual(['b', 'd'])
  })

  test('wrapped in a CloudEvent is known by the event id', async () => {
    const { request_id: _, ...data } = buildRequest({ project_id: world.newProject() })
    await world.publish(
      { specversion: '1.0', id: 'event-31', source: '/shop', type: 'shop.servers.ordered', data },
      { contentType: 'application/cloudevents+json; charset=utf-8' },
    )
    const key = { projectId: data.project_id, requestId: 'event-31' }
    await world.allEventsOf(key)
    expect(await world.statusOf(key)).toMatchObject({ request_id: 'event-31', state: 'running' })
  })

  test('without an id of its own is known by the AMQP message id', async () => {
    const { request_id: _, ...body } = buildRequest({ project_id: world.newProject() })
    await world.publish(body, { messageId: 'mail.77:~x', contentType: undefined })
    const key = { projectId: body.project_id, requestId: 'mail.77:~x' }
    await world.allEventsOf(key)
    expect(await world.statusOf(key)).toMatchObject({ request_id: 'mail.77:~x', state: 'running' })
  })

  test('through the exchange arrives like one straight to the queue', async () => {
    const properties = { exchange: 'provision', routingKey: 'provision.request' }
    const key = await world.order({ project_id: world.newProject() }, properties)
    await world.allEventsOf(key)
    expect((await world.statusOf(key)).state).toBe('running')
  })

  test('hands its spec to CloudDC, and its tracing to every event', async () => {
    const key = await world.order(
      {
        project_id: world.newProject(),
        spec: { name: '网页-1', description: 'for the shop', metadata: { team: 'shop' } },
      },
      { correlationId: 'desk-9', headers: { traceparent: TRACEPARENT, tracestate: 'shop=1' } },
    )
    await world.allEventsOf(key)
    const [instance] = world.simulator.ledger.instances({ project: key.projectId })
    expect(instance).toMatchObject({
      name: '网页-1',
      image_id: 'image-1',
      vpc_id: 'vpc-1',
      network_interfaces: [{ subnet_id: 'subnet-1' }],
      description: 'for the shop',
      metadata: { team: 'shop', 'provisioner-attempt': expect.any(String) },
    })
    const copies = world.copies().filter(({ body }) => body.includes(`/v1/${key.projectId}/`))
    expect(copies).not.toHaveLength(0)
    for (const copy of copies) {
      expect(copy.correlationId).toBe('desk-9')
      expect(JSON.parse(copy.body)).toMatchObject({ traceparent: TRACEPARENT, tracestate: 'shop=1' })
    }
  })

  test('can be asked for by its instance', async () => {
    const key = await world.order({ project_id: world.newProject() })
    const { instances } = await world.ended(key)
    const id = instances[0]?.id ?? ''
    const reply = await world.get(`/v1/${key.projectId}/instances/${id}`)
    expect(reply).toMatchObject({
      status: 200,
      body: { id, state: 'running', request_id: key.requestId, request: { state: 'running' } },
    })
    expect((await world.get(`/v1/another/instances/${id}`)).status).toBe(404)
  })
})
