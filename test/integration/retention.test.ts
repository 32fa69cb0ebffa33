import { describe, expect, test } from 'vitest'
import { cancelRequest } from '../../src/api/cancel.ts'
import { createRetention, type RetentionOptions } from '../../src/retention/retention.ts'
import { deleteRetiredRequests, keepKeys } from '../../src/retention/retire-requests.sql.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  PROJECT,
  type ReconcileWorld,
  tirelessReplica,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const retention = (world: ReconcileWorld, changes: Partial<RetentionOptions> = {}) =>
  createRetention({
    database,
    replica: tirelessReplica(world.replicaId),
    retentionDays: 30,
    idempotencyDays: 90,
    keptForMs: 0,
    idleMs: 20,
    metrics: world.metrics,
    logger: world.logger,
    ...changes,
  })

/** A request that ended, by being cancelled, so many days ago. */
async function ended(world: ReconcileWorld, days: number, requestId?: string) {
  const placed = await world.place({}, requestId === undefined ? {} : { requestId })
  await cancelRequest(database, { projectId: PROJECT, requestId: placed.requestId })
  await database.query(
    `UPDATE provision_request SET completed_at = now() - make_interval(days => $2::int) WHERE id = $1::uuid`,
    placed.id,
    days,
  )
  return placed
}

const countRows = async () => ({
  requests: await database.prisma.provisionRequest.count(),
  attempts: await database.prisma.attempt.count(),
  instances: await database.prisma.instance.count(),
  transitions: await database.prisma.transition.count(),
  keys: await database.prisma.retiredKey.count(),
})

describe('retention', () => {
  test('deletes what ended long ago with its history, in batches, and nothing else', async () => {
    const world = await createReconcileWorld(database, { bootMinMs: 0, bootMaxMs: 0 })
    for (let n = 0; n < 7; n += 1) await ended(world, 31)
    const kept = [await ended(world, 29), await world.place()]
    const old = await world.place()
    await world.dispatch()
    await database.query(
      `UPDATE provision_request SET state = 'running', completed_at = now() - interval '40 days', running_count = created_count
       WHERE id = $1::uuid`,
      old.id,
    )
    await world.run(retention(world, { batchSize: 2 }))
    await eventually(async () => {
      const rows = await countRows()
      expect(rows).toMatchObject({ requests: 2, keys: 8 })
    })
    const left = await database.prisma.provisionRequest.findMany({ select: { id: true } })
    expect(left.map(({ id }) => id).toSorted()).toEqual(kept.map(({ id }) => id).toSorted())
    const rows = await countRows()
    expect(rows).toMatchObject({ attempts: 1, instances: 1 })
    const transitions = await database.prisma.transition.findMany({ select: { provisionRequestId: true } })
    expect(new Set(transitions.map((row) => row.provisionRequestId))).toEqual(
      new Set(kept.map(({ id }) => id)),
    )
    expect(await world.metric('maintenance_rows_total', { duty: 'retire_requests' })).toBe(8)
  })

  test('keeps the key: a late duplicate is still a duplicate, with the digests of the first', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await ended(world, 31, 'order-1')
    const first = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
    await world.run(retention(world))
    await eventually(async () => expect((await countRows()).requests).toBe(0))

    const again = await world.insert({ requestId: 'order-1' })
    expect(again).toEqual({
      kind: 'existing',
      contentDigest: Buffer.from(first.contentDigest),
      passwordDigest: first.passwordDigest,
    })
    expect(await countRows()).toMatchObject({ requests: 0, transitions: 0, keys: 1 })
    expect(await world.insert({ requestId: 'order-2' })).toEqual({ kind: 'inserted' })
  })

  test('forgets a key in the end', async () => {
    const world = await createReconcileWorld(database)
    await ended(world, 91, 'order-1')
    await world.run(retention(world))
    await eventually(async () => expect(await countRows()).toMatchObject({ requests: 0, keys: 0 }))
    expect(await world.insert({ requestId: 'order-1' })).toEqual({ kind: 'inserted' })
  })

  test('that keeps keys no longer than requests ends all the same', async () => {
    const world = await createReconcileWorld(database)
    for (let n = 0; n < 3; n += 1) await ended(world, 31)
    await world.run(retention(world, { idempotencyDays: 30 }))
    await eventually(async () => expect(await countRows()).toMatchObject({ requests: 0, keys: 0 }))
  })

  test('stores the key a while before it deletes: no insert can miss both', async () => {
    const world = await createReconcileWorld(database)
    await ended(world, 31, 'order-1')
    const old = { olderThanDays: 30, limit: 10, ahead: 100 }
    expect(await deleteRetiredRequests(database, { ...old, keptForMs: 60_000 })).toBe(0)
    expect(await keepKeys(database, old)).toBe(1)
    expect(await keepKeys(database, old)).toBe(0)
    expect(await world.insert({ requestId: 'order-1' })).toMatchObject({ kind: 'existing' })
    expect(await deleteRetiredRequests(database, { ...old, keptForMs: 60_000 })).toBe(0)
    expect(await deleteRetiredRequests(database, { ...old, keptForMs: 0 })).toBe(1)
    expect(await world.insert({ requestId: 'order-1' })).toMatchObject({ kind: 'existing' })
  })

  test('stores no more keys ahead than it is told', async () => {
    const world = await createReconcileWorld(database)
    for (let n = 0; n < 5; n += 1) await ended(world, 31)
    expect(await keepKeys(database, { olderThanDays: 30, limit: 10, ahead: 3 })).toBe(3)
    expect(await keepKeys(database, { olderThanDays: 30, limit: 10, ahead: 3 })).toBe(0)
  })
})

describe('a sealed password', () => {
  test('is erased by every change of state after which no attempt can need it', async () => {
    const world = await createReconcileWorld(database)
    const sealed = async (id: string) => (await world.request(id)).sealedPassword !== null
    const { id } = await world.place()
    expect(await sealed(id)).toBe(true)
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
    await world.dispatch()
    expect(await sealed(id)).toBe(true)
    await world.run(world.reconciler({ settleMs: 60_000 }))
    await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
    expect(await sealed(id)).toBe(false)

    const refused = await world.place()
    world.simulator.faults.add({ kind: 'error_before', operation: 'RunInstances', status: 400 })
    await world.dispatch()
    expect((await world.request(refused.id)).state).toBe('failed')
    expect(await sealed(refused.id)).toBe(false)
  })

  test('cannot stay where no attempt can need it: the database refuses', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await ended(world, 1)
    const keep = database.query(`UPDATE provision_request SET sealed_password = 'x' WHERE id = $1::uuid`, id)
    await expect(keep).rejects.toThrow('provision_request_password_check')
  })
})
