import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type RequestKey } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

let world: AppWorld
beforeAll(async () => {
  world = await createAppWorld()
  await world.startApp()
})
afterAll(() => world.close())

/** The causes of a request's transitions, in order. */
const causesOf = async (key: RequestKey) =>
  (await world.historyOf(key)).flatMap((entry) => (entry.kind === 'transition' ? [entry.cause] : []))

type Fault = Parameters<AppWorld['simulator']['faults']['add']>[0]

describe.concurrent('an answer that is lost after the servers were created', () => {
  test.each<[string, Fault, string]>([
    ['a 500', { kind: 'error_after', status: 500 }, 'server_error'],
    [
      'a 503 of a gateway in HTML',
      { kind: 'error_after', status: 503, body: '<html>', content_type: 'text/html' },
      'server_error',
    ],
    [
      'a 202 that cannot be read',
      { kind: 'error_after', status: 202, body: '{"instance' },
      'unreadable_answer',
    ],
    ['a 202 without ids', { kind: 'misname', names: 'none' }, 'broken_promise'],
    ['a 202 that names one twice', { kind: 'misname', names: 'twice' }, 'broken_promise'],
    ['a 202 that names one too many', { kind: 'misname', names: 'more' }, 'broken_promise'],
    ['a 202 with an empty id', { kind: 'misname', names: 'unusable' }, 'broken_promise'],
    ['a connection cut before the answer', { kind: 'cut_after' }, 'connection_lost'],
    ['a reset before the answer', { kind: 'cut_after', reset: true }, 'connection_lost'],
    ['half an answer', { kind: 'cut_half' }, 'unreadable_answer'],
  ])('to %s is found again, and nothing is ordered twice', async (_, fault, reason) => {
    const project_id = world.newProject()
    world.simulator.faults.add({ ...fault, operation: 'RunInstances', project: project_id })
    const key = await world.order({ project_id, spec: { min_count: 1, max_count: 3 } })
    const events = await world.allEventsOf(key)
    expect(events.map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.uncertain',
      'request.dispatched',
      'instance.running',
      'instance.running',
      'instance.running',
      'request.completed',
    ])
    expect(events[1]?.data).toMatchObject({ attempt: 1, reason })
    const [creation, ...more] = world.creations(project_id)
    expect(more).toEqual([])
    expect(events[2]?.data).toMatchObject({ instance_ids: creation?.instance_ids.toSorted(), attempt: 1 })
    expect(await world.statusOf(key)).toMatchObject({
      state: 'running',
      attempts: 1,
      counts: { created: 3, running: 3 },
    })
    expect(await causesOf(key)).toEqual(['accepted', 'claimed', reason, 'adopted', 'instances_ended'])
  })
})

describe.concurrent('an attempt that created nothing', () => {
  test.each<[string, Fault, string]>([
    ['a 500', { kind: 'error_before', status: 500 }, 'server_error'],
    ['a connection cut', { kind: 'cut_before' }, 'connection_lost'],
  ])('behind %s is sent again only after it was looked for', async (_, fault, reason) => {
    const project_id = world.newProject()
    world.simulator.faults.add({ ...fault, operation: 'RunInstances', project: project_id })
    const look = world.simulator.faults.add({
      kind: 'hold',
      operation: 'ListInstances',
      project: project_id,
      phase: 'before',
    })
    const key = await world.order({ project_id })
    await world.simulator.faults.struck(look.id)
    expect(await world.statusOf(key)).toMatchObject({
      state: 'uncertain',
      waiting: { reason: 'reconciling' },
    })
    world.simulator.faults.remove(look.id)
    expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 2 })
    expect(world.creations(project_id)).toHaveLength(1)
    const [lost, sent] = world.calls(project_id)
    const looks = world.simulator.ledger
      .calls({ operation: 'ListInstances', project: project_id })
      .filter((call) => call.n > (lost?.n ?? 0) && call.n < (sent?.n ?? 0))
    expect(looks.length).toBeGreaterThanOrEqual(2)
    const history = await world.historyOf(key)
    const timeOf = (cause: string) =>
      Date.parse(history.find((entry) => entry.kind === 'transition' && entry.cause === cause)?.time ?? '')
    expect(timeOf('void') - timeOf(reason)).toBeGreaterThanOrEqual(800)
  })

  test('too often ends the request', async () => {
    const own = await createAppWorld({ settings: { MAX_ATTEMPTS: '2', RECONCILE_SETTLE_MS: '300' } })
    try {
      await own.startApp()
      own.simulator.faults.add({ kind: 'error_before', operation: 'RunInstances', count: 2 })
      const key = await own.order({ project_id: 'p' })
      const events = await own.allEventsOf(key)
      expect(events.map((event) => event.kind)).toEqual([
        'request.accepted',
        'request.uncertain',
        'request.uncertain',
        'request.completed',
      ])
      expect(await own.statusOf(key)).toMatchObject({
        state: 'failed',
        attempts: 2,
        error: { code: 'attempts_exhausted' },
      })
      expect(own.creations('p')).toEqual([])
    } finally {
      await own.close()
    }
  })
})

test('silence is an answer that is lost, too', async () => {
  await using own = await createAppWorld({ settings: { CALL_TIMEOUT_MS: '2000' } })
  await own.startApp()
  own.simulator.faults.add({ kind: 'hold', operation: 'RunInstances', phase: 'after' })
  const key = await own.order({ project_id: 'p' })
  expect((await own.allEventsOf(key)).slice(0, 3)).toMatchObject([
    { kind: 'request.accepted' },
    { kind: 'request.uncertain', data: { attempt: 1, reason: 'timeout' } },
    { kind: 'request.dispatched', data: { attempt: 1 } },
  ])
  expect(own.creations('p')).toHaveLength(1)
})

test('an answer with the instances of another request is no answer', async () => {
  const project_id = world.newProject()
  const first = await world.order({ project_id })
  const { instances } = await world.ended(first)
  world.simulator.faults.add({
    kind: 'error_after',
    operation: 'RunInstances',
    project: project_id,
    status: 202,
    body: { instances: instances.map(({ id }) => ({ id })) },
  })
  const second = await world.order({ project_id })
  const status = await world.ended(second)
  expect(status).toMatchObject({ state: 'running', attempts: 1, counts: { created: 1, running: 1 } })
  const [, creation] = world.creations(project_id)
  expect(status.instances.map(({ id }) => id)).toEqual(creation?.instance_ids)
  expect(await causesOf(second)).toEqual([
    'accepted',
    'claimed',
    'broken_promise',
    'adopted',
    'instances_ended',
  ])
  expect(await world.statusOf(first)).toMatchObject({ counts: { created: 1, running: 1 } })
})

test('servers that the answer of a range left out are found, and told of although the request has ended', async () => {
  const project_id = world.newProject()
  world.simulator.faults.add({ kind: 'misname', names: 'fewer', project: project_id })
  const key = await world.order({ project_id, spec: { min_count: 1, max_count: 3 } })
  expect((await world.ended(key)).counts).toMatchObject({ created: 1, running: 1 })
  await world.statusWhen(key, ({ counts }) => {
    expect(counts).toMatchObject({ created: 3, running: 3, failed: 0 })
  })
  const created = world.creations(project_id).flatMap((call) => call.instance_ids)
  const { state, instances } = await world.statusOf(key)
  expect(state).toBe('running')
  expect(instances.map(({ id }) => id).toSorted()).toEqual(created.toSorted())
  await eventually(() => {
    const running = world
      .eventsOf(key)
      .flatMap((event) => (event.kind === 'instance.running' ? [event.data.instance_id] : []))
    expect(running.toSorted()).toEqual(created.toSorted())
  })
})

test('the history of a request holds every step with its evidence', async () => {
  const project_id = world.newProject()
  world.simulator.faults.add({
    kind: 'error_after',
    operation: 'RunInstances',
    project: project_id,
    status: 502,
    body: { error_code: 'APIGW.0201', error_msg: 'Backend timeout.' },
  })
  const key = await world.order({ project_id })
  await world.ended(key)
  const history = await world.historyOf(key)
  const times = history.map((entry) => entry.time)
  expect(times).toEqual(times.toSorted())
  expect(history).toMatchObject([
    { kind: 'transition', from: null, to: 'queued', cause: 'accepted' },
    { kind: 'transition', from: 'queued', to: 'dispatching', cause: 'claimed', attempt: 1 },
    { kind: 'attempt', attempt: 1, state: 'adopted', evidence: { http_status: 502 } },
    {
      kind: 'transition',
      from: 'dispatching',
      to: 'uncertain',
      cause: 'server_error',
      evidence: { http_status: 502, error_code: 'APIGW.0201', error_message: 'Backend timeout.' },
    },
    { kind: 'transition', from: 'uncertain', to: 'provisioning', cause: 'adopted' },
    { kind: 'transition', from: 'provisioning', to: 'running', cause: 'instances_ended' },
  ])
})
