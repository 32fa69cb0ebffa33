import { describe, expect, test } from 'vitest'
import { observe, type Sighting } from '../../src/readiness/observation.ts'
import { parseMembers } from '../../src/readiness/poll-member.ts'
import { recordReadiness } from '../../src/readiness/readiness-recorder.ts'
import { eventually } from '../support/eventually.ts'
import { createReconcileWorld, type ReconcileWorld, useTestDatabase } from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const RANGE = { min_count: 1, max_count: 3 }

/** A request whose 202 has left out all servers but one, as it may. */
async function placeWithout(world: ReconcileWorld) {
  const placed = await world.place(RANGE)
  world.simulator.faults.add({ kind: 'misname', names: 'fewer' })
  await world.dispatch()
  expect(await world.request(placed.id)).toMatchObject({ state: 'provisioning', createdCount: 1 })
  return placed
}

const LIMITS = { visibilityMs: 0, provisionTimeoutMs: 3_600_000, serverWaitMs: 1000, waitingPollMs: 1000 }
const RUNS: Sighting = {
  ...{ name: 'web', serverId: 's', imageId: 'image', networkInterfaces: [], error: null },
  ...{ state: 'running', upstreamState: 'running' },
}

/** Ends every pending instance of a request, as a poll would. */
async function record(world: ReconcileWorld, id: string, sightingOf: (instanceId: string) => Sighting) {
  const { instanceIds } = await world.request(id)
  const rows = await database.prisma.poll.findMany()
  const news = rows.flatMap(({ id: pollId, projectId, members }) => {
    const poll = {
      ...{ id: pollId, projectId, members: parseMembers(`[${members}]`), claimedMs: Date.now() },
      ...{ probing: false, troubles: 0, roomMs: 1000, credentialId: 'c', credentialProbing: null },
    }
    const own = poll.members.filter((member) => instanceIds.includes(member.id))
    return own.map((member) => ({
      poll,
      observation: observe(member, poll.claimedMs, sightingOf(member.id), LIMITS),
    }))
  })
  await recordReadiness(database, news, LIMITS)
}

const letRun = (world: ReconcileWorld, id: string) => record(world, id, () => RUNS)

const auditsDue = () => database.prisma.look.count({ where: { purpose: 'audit' } })
/** Audits and looks. */
const makeDue = () => database.query(`UPDATE look SET due_at = due_at - interval '1 hour'`)

const knows = (world: ReconcileWorld, id: string, created: number) =>
  eventually(async () => {
    const request = await world.request(id)
    expect(request).toMatchObject({ createdCount: created })
    expect(request.instances).toHaveLength(created)
    return request
  })

describe('an answer that named fewer instances than it could', () => {
  test('is audited once, by a listing that began after the settling time', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await placeWithout(world)
    const { attempt } = await world.request(id)
    expect(Number(attempt?.auditAt) - Number(attempt?.finishedAt)).toBe(400)

    await world.run(world.reconciler())
    const request = await knows(world, id, 3)
    const created = world.creations()[0]?.instance_ids ?? []
    expect(request.instances.map((instance) => instance.id).toSorted()).toEqual(created.toSorted())
    expect(request).toMatchObject({ state: 'provisioning', attempt: { state: 'created' } })
    const dispatched = (await world.events(requestId)).filter(({ kind }) => kind === 'request.dispatched')
    expect(dispatched.map(({ data }) => (data.instance_ids as string[]).length)).toEqual([1, 2])
    await eventually(async () => expect(await auditsDue()).toBe(0))
    expect(world.listings()).toHaveLength(1)
    expect(world.listings()[0]?.at_ms).toBeGreaterThanOrEqual(Number(attempt?.auditAt) - 50)
    expect(await world.metric('invariant_violations_total')).toBe(0)
  })

  test('is not audited when it named as many as it could', async () => {
    const world = await createReconcileWorld(database)
    await world.place(RANGE)
    await world.dispatch()
    expect(await auditsDue()).toBe(0)
  })

  test('adds what it left out to a request that has ended, which keeps its state', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await placeWithout(world)
    await letRun(world, id)
    const ended = await world.request(id)
    expect(ended.state).toBe('running')

    await makeDue()
    await world.run(world.reconciler())
    await knows(world, id, 3)
    await letRun(world, id)
    expect(await world.request(id)).toMatchObject({
      ...{ state: 'running', completedAt: ended.completedAt, errorCode: null },
      ...{ createdCount: 3, runningCount: 3, failedCount: 0 },
    })
    expect((await world.events(requestId)).map(({ kind }) => kind)).toEqual([
      'request.accepted',
      'request.dispatched',
      'instance.running',
      'request.completed',
      'request.dispatched',
      'instance.running',
      'instance.running',
    ])
  })
})

describe('an answer that named instances which do not exist', () => {
  test('is audited as soon as that is known, and what it did make is found', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place({ min_count: 2, max_count: 2 })
    const [claimed] = await world.claim()
    if (claimed === undefined) throw new Error('nothing was claimed')
    await world.call(claimed)
    const made = world.creations()[0]?.instance_ids ?? []
    const named = [made[0] ?? '', 'not-there']
    await world.record(claimed, { class: 'created', instanceIds: named, httpStatus: 202 })
    expect(await auditsDue()).toBe(0)

    await world.run(world.reconciler())
    await record(world, id, (instanceId) => (instanceId === 'not-there' ? 'not_found' : RUNS))
    const request = await knows(world, id, 3)
    expect(request).toMatchObject({ state: 'failed', runningCount: 1, failedCount: 1 })
    expect(request.instances.map((instance) => instance.id).toSorted()).toEqual(
      [...made, 'not-there'].toSorted(),
    )
    expect((await world.events(requestId)).at(-1)?.kind).toBe('request.dispatched')
    await eventually(async () => expect(await auditsDue()).toBe(0))
    expect(await world.metric('invariant_violations_total')).toBe(0)
  })
})

describe('one listing', () => {
  test('serves all audits of a project that are due', async () => {
    const world = await createReconcileWorld(database)
    const placed = []
    for (let n = 0; n < 5; n += 1) placed.push(await placeWithout(world))
    await makeDue()
    await world.run(world.reconciler())
    for (const { id } of placed) await knows(world, id, 3)
    await eventually(async () => expect(await auditsDue()).toBe(0))
    expect(world.listings()).toHaveLength(1)
  })

  test('serves uncertain attempts and audits alike', async () => {
    const world = await createReconcileWorld(database)
    const audited = await placeWithout(world)
    const lost = await world.place()
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
    await world.dispatch()
    await makeDue()
    await world.run(world.reconciler({ settleMs: 60_000 }))
    await knows(world, audited.id, 3)
    await eventually(async () => expect((await world.request(lost.id)).state).toBe('provisioning'))
    expect(world.listings()).toHaveLength(1)
  })

  test('is followed by another for audits only after a long rest', async () => {
    const world = await createReconcileWorld(database)
    const first = await placeWithout(world)
    await database.query('UPDATE rate_bucket SET refill_per_second = 0.01')
    await makeDue()
    await world.run(world.reconciler())
    await knows(world, first.id, 3)
    const second = await placeWithout(world)
    await makeDue()
    // An attempt of unknown outcome does not wait for audits, and takes them along.
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
    const lost = await world.place()
    await world.dispatch()
    await eventually(async () => expect((await world.request(lost.id)).state).toBe('provisioning'))
    await knows(world, second.id, 3)
    expect(world.listings()).toHaveLength(2)
  })

  test('that fails leaves audits due', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await placeWithout(world)
    const failing = world.simulator.faults.add({ kind: 'truncate', keep: 1, end: true, count: null })
    await makeDue()
    await world.run(world.reconciler())
    await world.simulator.faults.struck(failing.id, 2)
    expect(await auditsDue()).toBe(1)
    world.simulator.faults.remove(failing.id)
    await knows(world, id, 3)
  })
})
