import { describe, expect, test } from 'vitest'
import { claimDoubts } from '../../src/attempt/claim-doubts.sql.ts'
import { lockClaimed, recordLooks } from '../../src/attempt/record-looks.sql.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { adoptionOf, voidOf } from '../../src/attempt/verdict-settlement.ts'
import { createRescuer } from '../../src/reconcile/rescuer.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  POLL_TIMES,
  type ReconcileWorld,
  useTestDatabase,
} from '../support/reconcile-world.ts'
import { tirelessReplica } from '../support/tireless-replica.ts'

const database = await useTestDatabase()

const RULES = { settleMs: 60_000, maxAttempts: 3 }
const CLAIM = { exceptProjects: [], maxProjects: 10, moveOnMs: 1000 }

const endLease = (id: string) =>
  database.query(`UPDATE replica SET lease_until = now() - interval '1 second' WHERE id = $1::uuid`, id)

const rescuer = (world: ReconcileWorld) =>
  createRescuer({
    database,
    replica: tirelessReplica(world.replicaId),
    firstLookMs: 50,
    metrics: world.metrics,
    logger: world.logger,
    onSettled: () => undefined,
  })

const makeDue = () =>
  database.query(`UPDATE look SET due_at = now() - interval '1 second' WHERE purpose = 'doubt'`)

describe('a killed replica', () => {
  test('leaves attempts that become uncertain once its lease is over, and is forgotten', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    await world.claim()
    await world.run(rescuer(world))
    expect((await world.request(id)).state).toBe('dispatching')

    await endLease(world.replicaId)
    await eventually(async () => expect((await world.request(id)).state).toBe('uncertain'))
    const request = await world.request(id)
    expect(request.attempt).toMatchObject({ state: 'uncertain', evidence: { replica_id: world.replicaId } })
    expect(await database.prisma.claim.count()).toBe(0)
    const last = (await world.events(requestId)).at(-1)
    expect(last).toMatchObject({ kind: 'request.uncertain', data: { attempt: 1, reason: 'lease_expired' } })
    await eventually(async () => expect(await database.prisma.replica.count()).toBe(0))
    expect(await world.metric('rescued_attempts_total')).toBe(1)
  })

  test('whose call had created is rescued and adopted, and not ordered again', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ min_count: 2, max_count: 2 })
    const [request] = await world.claim()
    if (request === undefined) throw new Error('nothing was claimed')
    await world.call(request)
    await endLease(world.replicaId)
    await world.run(rescuer(world))
    await world.run(world.reconciler())
    await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
    expect((await world.request(id)).createdCount).toBe(2)
    expect(world.creations()).toHaveLength(1)
  })
})

describe('a replica that was paused', () => {
  test('cannot record an outcome after its attempt was taken over', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    const [request] = await world.claim()
    if (request === undefined) throw new Error('nothing was claimed')
    const outcome = await world.call(request)
    await endLease(world.replicaId)
    await world.run(rescuer(world))
    await eventually(async () => expect((await world.request(id)).state).toBe('uncertain'))
    const before = await world.request(id)

    expect(await world.record(request, outcome)).toBe(false)
    expect(await world.request(id)).toEqual(before)
    expect((await world.events(requestId)).map((event) => event.kind)).toEqual([
      'request.accepted',
      'request.uncertain',
    ])
  })
})

describe('two reconcilers at once', () => {
  test('agree: every attempt has one verdict, one transition and one event', async () => {
    const world = await createReconcileWorld(database)
    const placed = await Promise.all(Array.from({ length: 20 }, () => world.place()))
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances', count: 10 })
    world.simulator.faults.add({ kind: 'cut_before', operation: 'RunInstances', count: 10 })
    await world.dispatch()
    await world.run(world.reconciler({ intervalMs: 30 }))
    await world.run(world.reconciler({ intervalMs: 30 }))
    await eventually(async () => {
      const states = (await Promise.all(placed.map(({ id }) => world.request(id)))).map((one) => one.state)
      expect(states.filter((state) => state === 'provisioning')).toHaveLength(10)
      expect(states.filter((state) => state === 'queued')).toHaveLength(10)
    })
    for (const { id, requestId } of placed) {
      const { state, createdCount, entries } = await world.request(id)
      expect(entries).toHaveLength(4)
      const kinds = (await world.events(requestId)).map((event) => event.kind)
      expect(kinds.filter((kind) => kind === 'request.dispatched')).toHaveLength(
        state === 'provisioning' ? 1 : 0,
      )
      expect(createdCount).toBe(state === 'provisioning' ? 1 : 0)
    }
  })
})

describe('a reconciler that was overtaken', () => {
  test('holds no claim any more: its look and its verdict are dropped', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
    await world.dispatch()
    await makeDue()
    const [stale] = await claimDoubts(database, CLAIM)
    await makeDue()
    const [current] = await claimDoubts(database, CLAIM)
    if (stale === undefined || current === undefined) throw new Error('nothing was claimed')

    expect(await lockClaimed(database, [stale])).toEqual(new Set())
    expect(await lockClaimed(database, [current])).toEqual(new Set([id]))
    const before = await world.request(id)
    await recordLooks(database, [{ doubt: stale, found: { stale: true }, listingsWithout: 9, lookInMs: 1 }])
    expect(await world.request(id)).toEqual(before)
  })

  test('cannot void what its successor has adopted', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
    await world.dispatch()
    await makeDue()
    const [doubt] = await claimDoubts(database, CLAIM)
    if (doubt === undefined) throw new Error('nothing was claimed')
    const adoption = adoptionOf(doubt, { instanceIds: ['i-1'], evidence: null }, RULES)
    const voiding = voidOf(doubt, { evidence: null }, RULES)
    expect(await settleAttempts(database, [adoption], POLL_TIMES)).toHaveLength(1)
    const before = await world.request(id)
    const events = await world.events(requestId)

    expect(await settleAttempts(database, [voiding], POLL_TIMES)).toHaveLength(0)
    expect(await settleAttempts(database, [adoption], POLL_TIMES)).toHaveLength(0)
    expect(await world.request(id)).toEqual(before)
    expect(await world.events(requestId)).toEqual(events)
  })

  test('a claim takes every uncertain attempt of a project where one is due, and none of others', async () => {
    const world = await createReconcileWorld(database)
    await world.place()
    await world.place()
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances', count: 2 })
    await world.dispatch()
    await database.query(`UPDATE look SET due_at = now() + interval '1 hour'`)
    expect(await claimDoubts(database, CLAIM)).toEqual([])
    await database.query(
      `UPDATE look SET due_at = now() - interval '1 second'
       WHERE provision_request_id = (SELECT provision_request_id FROM look LIMIT 1)`,
    )
    expect(await claimDoubts(database, { ...CLAIM, exceptProjects: ['p'] })).toEqual([])
    expect(await claimDoubts(database, CLAIM)).toHaveLength(2)
    expect(await claimDoubts(database, CLAIM)).toEqual([])
  })
})
