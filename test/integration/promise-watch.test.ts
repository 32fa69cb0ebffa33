import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import type { Service } from '../../src/runtime/service.ts'
import { createPromiseWatch, type PromiseWatchOptions } from '../../src/watch/promise-watch.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  PROJECT,
  type ReconcileWorld,
  tirelessReplica,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()

let watching: Service | undefined

/** A watch that goes round all the time; `rounds` resolves after so many more. Each ends when the next is started. */
async function startWatch(world: ReconcileWorld, changes: Partial<PromiseWatchOptions> = {}) {
  let passes = 0
  const replica = tirelessReplica(world.replicaId)
  await watching?.stop()
  watching = await world.run(
    createPromiseWatch({
      database,
      replica: {
        ...replica,
        holdDuty: async () => {
          passes += 1
          return true
        },
      },
      brokerReady: () => true,
      idleMs: 5,
      quietMs: 0,
      metrics: world.metrics,
      logger: world.logger,
      ...changes,
    }),
  )
  return {
    rounds: (count = 3) => {
      const goal = passes + count + 1
      return eventually(() => expect(passes).toBeGreaterThanOrEqual(goal))
    },
  }
}

const violations = (world: ReconcileWorld, invariant: string) =>
  world.metric('invariant_violations_total', { invariant })

describe('requests that nobody is due to look at', () => {
  test('are counted once, in whatever state they were left', async () => {
    const world = await createReconcileWorld(database)
    const states = ['dispatching', 'uncertain', 'provisioning'] as const
    for (const _ of states) await world.place()
    const claimed = await world.claim()
    for (const [index, request] of claimed.entries()) {
      if (states[index] === 'uncertain') {
        world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
        await world.record(request, await world.call(request))
      }
      if (states[index] === 'provisioning') await world.record(request, await world.call(request))
    }
    await world.place()
    await database.query('UPDATE rate_bucket SET due_at = clock_timestamp()')
    const watch = await startWatch(world)
    await watch.rounds()
    expect(await violations(world, 'stuck')).toBe(0)

    await database.query('DELETE FROM attempt')
    await database.query('DELETE FROM instance')
    await database.query('UPDATE rate_bucket SET due_at = NULL')
    await watch.rounds()
    expect(await violations(world, 'stuck')).toBe(4)
    await watch.rounds()
    expect(await violations(world, 'stuck')).toBe(4)
  })

  test('are found however many others there are, page by page', async () => {
    const world = await createReconcileWorld(database)
    for (let n = 0; n < 7; n += 1) await world.place()
    await database.query('UPDATE rate_bucket SET due_at = NULL')
    const watch = await startWatch(world, { pageSize: 3 })
    await eventually(async () => expect(await violations(world, 'stuck')).toBe(7))
    await watch.rounds(7)
    expect(await violations(world, 'stuck')).toBe(7)
  })

  test('are not those that wait for a retry or a deadline, or have ended', async () => {
    const world = await createReconcileWorld(database)
    const [retrying, ended] = [await world.place(), await world.place()]
    await world.place({}, { deadline: new Date(Date.now() + 600_000) })
    await database.query(
      'UPDATE provision_request SET queue_rank = NULL, retry_at = now() WHERE id = $1::uuid',
      retrying.id,
    )
    await database.query(
      `UPDATE provision_request SET queue_rank = NULL, state = 'cancelled', completed_at = now(), sealed_password = NULL
       WHERE id = $1::uuid`,
      ended.id,
    )
    await database.query('UPDATE rate_bucket SET due_at = NULL')
    await (await startWatch(world)).rounds()
    expect(await violations(world, 'stuck')).toBe(0)
  })

  test('are not those that changed just now', async () => {
    const world = await createReconcileWorld(database)
    await world.place()
    await database.query('UPDATE rate_bucket SET due_at = NULL')
    await (await startWatch(world, { quietMs: 600_000 })).rounds()
    expect(await violations(world, 'stuck')).toBe(0)
  })
})

describe('an event that stays the first of the outbox', () => {
  const write = () =>
    database.query(
      `INSERT INTO outbox_event (id, ordering_key, routing_key, type, body) VALUES ($1::uuid, $2, 'k', 'provisioner.k', '{}')`,
      uuidv7(),
      `${PROJECT}/order`,
    )
  const takeFirst = () =>
    database.query('DELETE FROM outbox_event WHERE position = (SELECT min(position) FROM outbox_event)')

  test('is counted once, and the next one again', async () => {
    const world = await createReconcileWorld(database)
    await write()
    await write()
    const watch = await startWatch(world, { patienceMs: 0 })
    await eventually(async () => expect(await violations(world, 'missing_event')).toBe(1))
    await watch.rounds()
    expect(await violations(world, 'missing_event')).toBe(1)
    await takeFirst()
    await eventually(async () => expect(await violations(world, 'missing_event')).toBe(2))
  })

  test('is nobody’s fault while the broker is unreachable, or before its time is over', async () => {
    const world = await createReconcileWorld(database)
    await write()
    await (await startWatch(world, { patienceMs: 0, brokerReady: () => false })).rounds()
    await (await startWatch(world)).rounds()
    expect(await violations(world, 'missing_event')).toBe(0)
  })
})
