import { describe, expect, test } from 'vitest'
import type { Misnaming } from '../../simulator/misnaming.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  PROJECT,
  type ReconcileWorld,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const tenPairs = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`key-${n}`, `${n}`]))
const UNMARKED = { metadata: tenPairs, description: 'x'.repeat(255) }

const misname = (world: ReconcileWorld, names: Misnaming) =>
  world.simulator.faults.add({ kind: 'misname', names })

async function becomes(world: ReconcileWorld, id: string, state: string) {
  await eventually(async () => expect((await world.request(id)).state).toBe(state))
  return world.request(id)
}

/** The request has exactly the instances that CloudDC's ledger holds. */
async function expectAllKnown(world: ReconcileWorld, id: string) {
  const request = await becomes(world, id, 'provisioning')
  const created = world.creations().flatMap((call) => call.instance_ids)
  expect(world.creations()).toHaveLength(1)
  expect(request.instances.map((instance) => instance.id).toSorted()).toEqual(created.toSorted())
  expect(request.createdCount).toBe(created.length)
  return request
}

describe('a 202 that breaks its promise', () => {
  test.each<[Misnaming, { min_count: number; max_count: number }]>([
    ['fewer', { min_count: 2, max_count: 3 }],
    ['none', { min_count: 1, max_count: 3 }],
    ['twice', { min_count: 2, max_count: 2 }],
    ['twice', { min_count: 1, max_count: 3 }],
    ['more', { min_count: 1, max_count: 3 }],
    ['unusable', { min_count: 2, max_count: 3 }],
  ])('by naming %s of %j is reconciled as if it had been lost', async (names, counts) => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place(counts)
    misname(world, names)
    await world.dispatch()
    const uncertain = await world.request(id)
    expect(uncertain).toMatchObject({ state: 'uncertain', attempt: { errorCode: 'broken_promise' } })
    const { named } = Object(uncertain.attempt?.evidence) as { named: string[] }
    const created = world.creations().flatMap((call) => call.instance_ids)
    expect(named.filter((one) => created.includes(one)).length).toBe(
      { fewer: 1, none: 0, twice: created.length - 1, more: 3, unusable: 2 }[names],
    )

    await world.run(world.reconciler({ settleMs: 60_000 }))
    const request = await expectAllKnown(world, id)
    expect(request.attempt).toMatchObject({ state: 'adopted', evidence: { named } })
    expect((await world.events(requestId)).map(({ kind, data }) => [kind, data.reason])).toEqual([
      ['request.accepted', undefined],
      ['request.uncertain', 'broken_promise'],
      ['request.dispatched', undefined],
    ])
    expect(await world.metric('invariant_violations_total')).toBe(0)
  })

  test('for selected servers is reconciled unless it names them all', async () => {
    const world = await createReconcileWorld(database)
    const servers = world.simulator.inventory.show(PROJECT, { limit: 3 }).servers.map((server) => server.id)
    const { id } = await world.place({ placement: { server_id_set: servers } })
    misname(world, 'fewer')
    await world.dispatch()
    expect((await world.request(id)).state).toBe('uncertain')
    await world.run(world.reconciler({ settleMs: 60_000 }))
    expect((await expectAllKnown(world, id)).createdCount).toBe(3)
  })

  test('leaves its project open: CloudDC is there', async () => {
    const world = await createReconcileWorld(database)
    for (let n = 0; n < 5; n += 1) {
      await world.place({ min_count: 2, max_count: 2 })
      misname(world, 'fewer')
    }
    await world.dispatch()
    const [bucket] = await database.prisma.rateBucket.findMany()
    expect(bucket?.blockedUntil).toBeNull()
    expect(await database.prisma.look.count({ where: { purpose: 'doubt' } })).toBe(5)
  })

  test('keeps what it named when listings never show it, and orders nothing again', async () => {
    const world = await createReconcileWorld(database, {
      visibleLateProbability: 1,
      visibleLateMinMs: 600_000,
      visibleLateMaxMs: 600_000,
    })
    const { id } = await world.place({ min_count: 2, max_count: 3 })
    misname(world, 'fewer')
    await world.dispatch()
    const named = world.creations()[0]?.instance_ids.slice(0, 1)
    await world.run(world.reconciler())
    const request = await becomes(world, id, 'provisioning')
    expect(request.instances.map((instance) => instance.id)).toEqual(named)
    expect(request.attempt?.auditAt).not.toBeNull()
  })

  test('shares no instance with another answer that named the same', async () => {
    const world = await createReconcileWorld(database)
    const placed: { id: string }[] = []
    for (let n = 0; n < 2; n += 1) {
      placed.push(await world.place({ min_count: 2, max_count: 2 }))
      const fault = { kind: 'error_before', status: 202, body: { instances: [{ id: 'same' }] } } as const
      world.simulator.faults.add({ ...fault, operation: 'RunInstances' })
    }
    await world.dispatch()
    await world.run(world.reconciler())
    await eventually(async () => {
      const attempts = await Promise.all(placed.map(async ({ id }) => (await world.request(id)).attempt))
      expect(attempts.map((attempt) => attempt?.state).toSorted()).toEqual(['adopted', 'void'])
    })
    expect(await database.prisma.instance.findMany()).toMatchObject([{ id: 'same' }])
  })

  test('does not get instances that are known to be of others', async () => {
    const world = await createReconcileWorld(database)
    const other = await world.place()
    await world.dispatch()
    const theirs = world.creations()[0]?.instance_ids ?? []
    const { id } = await world.place({ min_count: 2, max_count: 2 })
    world.simulator.faults.add({
      kind: 'error_after',
      operation: 'RunInstances',
      status: 202,
      body: { instances: theirs.map((one) => ({ id: one })) },
    })
    await world.dispatch()
    await world.run(world.reconciler())
    const request = await becomes(world, id, 'provisioning')
    expect(request.instances.map((instance) => instance.id).toSorted()).toEqual(
      world.creations()[1]?.instance_ids.toSorted(),
    )
    expect((await world.request(other.id)).createdCount).toBe(1)
  })
})

describe('a 202 that breaks its promise to a request without room for a marker', () => {
  test.each<[Misnaming, number]>([
    ['more', 1],
    ['fewer', 2],
  ])('by naming %s is adopted where what it named leaves no choice', async (names, min_count) => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ ...UNMARKED, min_count, max_count: 2 })
    misname(world, names)
    await world.dispatch()
    expect((await world.request(id)).state).toBe('uncertain')
    await world.run(world.reconciler())
    await expectAllKnown(world, id)
  })

  test('waits for a person where others could be its own as well', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ ...UNMARKED, min_count: 2, max_count: 4 })
    misname(world, 'fewer')
    await world.dispatch()
    await world.run(world.reconciler({ settleMs: 100 }))
    await eventually(async () => {
      const { attempt } = await world.request(id)
      expect(attempt?.evidence).toMatchObject({ reconciling: { alarmed: true } })
    })
    expect((await world.request(id)).state).toBe('uncertain')
  })
})
