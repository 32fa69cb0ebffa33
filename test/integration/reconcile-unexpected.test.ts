import { describe, expect, test } from 'vitest'
import { attemptMarker, MARKER_KEY } from '../../src/attempt/marker.ts'
import { createUnexpectedInstances } from '../../src/attempt/unexpected-instances.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  POLL_TIMES,
  PROJECT,
  type ReconcileWorld,
  SPEC,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()

/** Creates instances with the marker of a request's last attempt behind the service's back; returns their ids. */
async function createBehind(world: ReconcileWorld, id: string, count = 1): Promise<string[]> {
  const { attemptNumber: attempt, requestId } = await world.request(id)
  const name = { provisionRequestId: id, attempt, installation: await world.installation(), requestId }
  const body = {
    ...SPEC,
    password: 'Passw0rd!',
    metadata: { [MARKER_KEY]: attemptMarker(name).whole },
    min_count: count,
    max_count: count,
  }
  const evidence = await world.client.batchCreate({ projectId: PROJECT, body: JSON.stringify(body) })
  if (evidence.kind !== 'response' || evidence.instanceIds === null) throw new Error('nothing was created')
  return evidence.instanceIds
}

const auditNow = () =>
  database.query(`UPDATE look SET due_at = now() - interval '1 second' WHERE purpose = 'audit'`)

/** A request whose only attempt is void, waiting in the queue. */
async function voided(world: ReconcileWorld) {
  const placed = await world.place()
  world.simulator.faults.add({ kind: 'cut_before', operation: 'RunInstances' })
  await world.dispatch()
  const reconciler = await world.run(world.reconciler({ settleMs: 100 }))
  await eventually(async () => expect((await world.request(placed.id)).state).toBe('queued'))
  return { ...placed, reconciler }
}

async function adopted(world: ReconcileWorld, counts = { min_count: 1, max_count: 3 }) {
  const placed = await world.place(counts)
  world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
  await world.dispatch()
  const reconciler = await world.run(world.reconciler({ settleMs: 60_000 }))
  await eventually(async () => expect((await world.request(placed.id)).state).toBe('provisioning'))
  return { ...placed, reconciler }
}

describe('more instances than a call could have created', () => {
  test('are all adopted, with an alarm', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ min_count: 1, max_count: 2 })
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
    await world.dispatch()
    await createBehind(world, id, 2)
    await world.run(world.reconciler({ settleMs: 60_000 }))
    await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
    expect((await world.request(id)).createdCount).toBe(4)
    expect(await world.metric('unexpected_instances_total')).toBe(2)
    expect(await world.metric('invariant_violations_total', { invariant: 'duplicate' })).toBe(1)
  })
})

describe('the last look after a verdict', () => {
  test('adds late instances to a request that is provisioning, with an event of their own', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await adopted(world)
    const late = await createBehind(world, id)
    await auditNow()
    await eventually(async () => expect((await world.request(id)).createdCount).toBe(4))

    const request = await world.request(id)
    expect(request.instances.find((instance) => instance.id === late[0])).toMatchObject({ state: 'pending' })
    expect(request.attempt).toMatchObject({ state: 'adopted', evidence: { unexpected: late } })
    const dispatched = (await world.events(requestId)).filter((event) => event.kind === 'request.dispatched')
    expect(dispatched.at(-1)?.data).toMatchObject({ instance_ids: late, attempt: 1 })
    await eventually(async () => expect((await world.request(id)).attempt?.auditAt).toBeNull())
  })

  test('tells of instances of a void attempt, and changes no state', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await voided(world)
    const before = await world.request(id)
    const late = await createBehind(world, id)
    await auditNow()
    await eventually(async () => {
      expect((await world.request(id)).attempt?.evidence).toMatchObject({ unexpected: late })
    })
    const request = await world.request(id)
    expect(request).toMatchObject({ state: 'queued', version: before.version + 1, createdCount: 0 })
    expect((await world.events(requestId)).at(-1)).toMatchObject({
      kind: 'request.uncertain',
      data: { attempt: 1, reason: 'unexpected_instances' },
    })
    expect(await world.metric('invariant_violations_total', { invariant: 'duplicate' })).toBe(1)
  })

  test('reports each instance once', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await voided(world)
    await createBehind(world, id)
    for (let n = 1; n <= 3; n += 1) {
      await database.query(
        `INSERT INTO look (provision_request_id, attempt, project_id, purpose, due_at)
         VALUES ($1::uuid, 1, $2, 'audit', now() - interval '1 second')
         ON CONFLICT (provision_request_id, attempt) DO UPDATE SET due_at = excluded.due_at`,
        id,
        PROJECT,
      )
      await eventually(async () => expect((await world.request(id)).attempt?.auditAt).toBeNull())
    }
    const told = (await world.events(requestId)).filter(
      (event) => event.data.reason === 'unexpected_instances',
    )
    expect(told).toHaveLength(1)
    expect(await world.metric('unexpected_instances_total')).toBe(1)
  })

  test('comes again when the listing fails', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await adopted(world)
    const failing = world.simulator.faults.add({
      kind: 'error_before',
      operation: 'ListInstances',
      status: 500,
    })
    await auditNow()
    await world.simulator.faults.struck(failing.id)
    expect((await world.request(id)).attempt?.auditAt).not.toBeNull()
    await eventually(async () => expect((await world.request(id)).attempt?.auditAt).toBeNull())
  })
})

describe('instances found while looking for others', () => {
  /** Creates one behind the service's back, and has another attempt of the project looked for. */
  const expectAdded = async (world: ReconcileWorld, id: string) => {
    const late = await createBehind(world, id)
    await adopted(world)
    await eventually(async () => {
      const ids = (await world.request(id)).instances.map((instance) => instance.id)
      expect(ids).toContain(late[0])
    })
  }

  test('of an attempt that was answered are added to its request', async () => {
    const world = await createReconcileWorld(database)
    const answered = await world.place({ min_count: 1, max_count: 5 })
    await world.dispatch()
    await expectAdded(world, answered.id)
  })

  test('of a call that is still under way are nothing special', async () => {
    const world = await createReconcileWorld(database)
    const underWay = await world.place()
    const [claimed] = await world.claim()
    if (claimed === undefined) throw new Error('nothing was claimed')
    const outcome = await world.call(claimed)
    await adopted(world)
    expect(await world.record(claimed, outcome)).toBe(true)
    expect((await world.request(underWay.id)).state).toBe('provisioning')
    expect(await world.metric('unexpected_instances_total')).toBe(0)
  })
})

describe('several that read the same listing', () => {
  /** Looks through what CloudDC lists now, as so many replicas at once; returns the keys that each has stored for. */
  const storeAtOnce = async (world: ReconcileWorld, replicas: number) => {
    const store = createUnexpectedInstances({ ...world, pollTimes: POLL_TIMES })
    const { instances } = await world.client.listAllInstances({ projectId: PROJECT, keep: () => true })
    return Promise.all(Array.from({ length: replicas }, () => store(PROJECT, instances)))
  }

  test.each([
    ['of an attempt that made others', adopted, 'request.dispatched'],
    ['of a void attempt', voided, 'request.uncertain'],
  ])('tell of instances %s once, whatever changes meanwhile', async (_, prepare, kind) => {
    const world = await createReconcileWorld(database)
    const { id, requestId, reconciler } = await prepare(world)
    await reconciler.stop()
    const before = await world.request(id)
    const told = (await world.events(requestId)).length
    const late = await createBehind(world, id, 2)
    const stored = await storeAtOnce(world, 4)
    expect(stored.flat()).toEqual([`${PROJECT}/${requestId}`])
    const events = (await world.events(requestId)).slice(told)
    expect(events.map((event) => event.kind)).toEqual([kind])
    const { version, attempt } = await world.request(id)
    expect(version).toBe(before.version + 1)
    expect(Object(attempt?.evidence).unexpected.toSorted()).toEqual(late.toSorted())
    expect(await world.metric('unexpected_instances_total')).toBe(2)
  })

  test('tell of each attempt of one request by itself', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId, reconciler } = await voided(world)
    await reconciler.stop()
    const ofVoid = await createBehind(world, id)
    await database.query('UPDATE provision_request SET retry_at = NULL, queue_rank = created_at')
    await database.query('UPDATE rate_bucket SET due_at = now()')
    await world.dispatch()
    const ofCreated = await createBehind(world, id)
    await storeAtOnce(world, 2)
    const { attemptRecords, instanceIds, createdCount } = await world.request(id)
    expect(attemptRecords).toMatchObject([
      { state: 'void', evidence: { unexpected: ofVoid } },
      { state: 'created', evidence: { unexpected: ofCreated } },
    ])
    expect(instanceIds).toEqual([expect.any(String), ...ofCreated])
    expect(createdCount).toBe(2)
    const polled = (await database.prisma.poll.findMany()).flatMap(({ members }) => members)
    expect(polled.filter((member) => member.includes(ofCreated[0] ?? ''))).toHaveLength(1)
    expect((await world.events(requestId)).map(({ kind, data }) => [kind, data.attempt])).toEqual([
      ['request.accepted', undefined],
      ['request.uncertain', 1],
      ['request.dispatched', 2],
      ['request.uncertain', 1],
      ['request.dispatched', 2],
    ])
  })
})
