import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import { createOutcomeRecorder } from '../../src/attempt/outcome-recorder.ts'
import { createDispatcher } from '../../src/dispatch/dispatcher.ts'
import { createSweeper } from '../../src/dispatch/sweeper.ts'
import { createRescuer } from '../../src/reconcile/rescuer.ts'
import { registerReplica } from '../../src/replica/leases.sql.ts'
import { createReplica } from '../../src/replica/replica.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  PASSWORD,
  POLL_TIMES,
  type ReconcileWorld,
  useTestDatabase,
} from '../support/reconcile-world.ts'
import { tirelessReplica } from '../support/tireless-replica.ts'

const FAULTS = {
  faultCutBefore: 0.1,
  faultCutAfter: 0.1,
  faultCutHalf: 0.1,
  faultErrorBefore: 0.05,
  faultErrorAfter: 0.05,
  faultTruncate: 0.1,
  faultMisname: 0.2,
}
const NO_FAULTS = Object.fromEntries(Object.keys(FAULTS).map((fault) => [fault, 0]))

const database = await useTestDatabase()

/** A replica that dispatches, sweeps and reconciles; its duties are not exclusive. */
async function runReplica(world: ReconcileWorld, { settleMs }: { settleMs: number }) {
  const { client, installation, logger, metrics } = world
  const id = uuidv7()
  await registerReplica(database, id, 60_000)
  const replica = tirelessReplica(id)
  const recorder = createOutcomeRecorder({
    database,
    pollTimes: POLL_TIMES,
    metrics,
    logger,
    onRecorded: () => undefined,
    signal: new AbortController().signal,
  })
  await world.run(world.reconciler({ replica, settleMs, maxAttempts: 20 }))
  await world.run(createSweeper({ database, replica, logger, onMoved: () => undefined }))
  await world.run(
    createDispatcher({
      database,
      client,
      installation,
      sealer: { seal: () => Buffer.from(PASSWORD), open: () => PASSWORD },
      replica,
      syncLimits: async () => undefined,
      recorder,
      concurrency: 16,
      callTimeoutMs: 5000,
      readinessShare: 0.02,
      firstLookMs: settleMs / 4,
      settleMs,
      metrics,
      logger,
    }),
  )
}

describe('with the dispatcher at work', () => {
  test('a void attempt is sent again, and exactly one call creates', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    world.simulator.faults.add({ kind: 'cut_before', operation: 'RunInstances', count: 2 })
    await runReplica(world, { settleMs: 200 })
    await eventually(async () => expect((await world.request(id)).state).toBe('provisioning'))
    const request = await world.request(id)
    expect(request).toMatchObject({ attempts: 3, createdCount: 1 })
    // On a busy machine a call may be held up, and not be made at all.
    const made = request.attemptRecords.filter((attempt) => attempt.errorCode !== 'NOT_SENT')
    expect(made.map((attempt) => attempt.state)).toEqual(['void', 'void', 'created'])
    expect(world.simulator.ledger.calls({ operation: 'RunInstances' })).toHaveLength(3)
    expect(world.creations()).toHaveLength(1)
  })

  test('whatever the faults, no request creates twice and every instance is known under its own', async () => {
    const world = await createReconcileWorld(database, {
      seed: 7,
      serversPerProject: 5000,
      ...FAULTS,
      visibleLateProbability: 0.5,
      visibleLateMinMs: 0,
      visibleLateMaxMs: 700,
    })
    const placed = []
    for (let n = 0; n < 60; n += 1) {
      const metadata =
        n % 4 === 0 ? Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`k${k}`, 'v'])) : {}
      placed.push(await world.place({ min_count: 1 + (n % 2), max_count: 1 + (n % 3) + (n % 2), metadata }))
    }
    await runReplica(world, { settleMs: 1500 })
    await runReplica(world, { settleMs: 1500 })
    const left = async () => {
      const rows = await database.query(`SELECT id FROM provision_request WHERE state <> 'provisioning'`)
      return rows.length
    }
    // With faults to the end, the breaker could keep the last few waiting for minutes.
    await eventually(async () => expect(await left()).toBeLessThan(placed.length / 4), { pollMs: 100 })
    world.simulator.configure(NO_FAULTS)
    await eventually(async () => expect(await left()).toBe(0), { timeoutMs: 120_000, pollMs: 100 })

    // What answers of ranges have left out comes with the audits.
    await eventually(
      async () => expect(await database.prisma.look.count({ where: { purpose: 'audit' } })).toBe(0),
      { timeoutMs: 60_000, pollMs: 100 },
    )
    const instances = await database.prisma.instance.findMany()
    const known = new Map(instances.map((instance) => [instance.id, instance]))
    const created = world.creations()
    expect(created).toHaveLength(placed.length)
    expect(instances).toHaveLength(created.flatMap((call) => call.instance_ids).length)
    for (const call of created) {
      const owners = new Set(call.instance_ids.map((id) => known.get(id)?.provisionRequestId))
      expect(owners.size).toBe(1)
      expect(owners.has(undefined)).toBe(false)
    }
    expect(new Set(instances.map((instance) => instance.provisionRequestId)).size).toBe(placed.length)
    expect(await world.metric('invariant_violations_total')).toBe(0)
    expect(await world.metric('reconcile_resolved_total')).toBeGreaterThan(5)
  })
})

test('a real replica that stops renewing is taken over, and goes on under another id', async () => {
  const world = await createReconcileWorld(database)
  await database.query('DELETE FROM replica')
  const watching = createReplica({ database, leaseMs: 30_000, logger: world.logger })
  await world.run(watching)
  const silent = createReplica({ database, leaseMs: 300, logger: world.logger })
  await world.run(silent)
  await eventually(() => expect(silent.holdsLease()).toBe(true))
  const before = silent.id()
  const { id } = await world.place()
  await world.claim(before)
  // The lease ends as if the process had slept through its renewals.
  await database.query(
    `UPDATE replica SET lease_until = now() - interval '1 second' WHERE id = $1::uuid`,
    before,
  )
  await world.run(
    createRescuer({
      database,
      replica: watching,
      firstLookMs: 50,
      logger: world.logger,
      onSettled: () => undefined,
    }),
  )
  await eventually(async () => expect((await world.request(id)).state).toBe('uncertain'))
  await eventually(() => expect(silent.id()).not.toBe(before))
})
