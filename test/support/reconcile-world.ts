import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { onTestFinished } from 'vitest'
import type { SimulatorOptions } from '../../simulator/options.ts'
import { createSimulator } from '../../simulator/simulator.ts'
import { buildBatchCreateBody } from '../../src/attempt/create-body.ts'
import { createInstallation } from '../../src/attempt/installation.ts'
import { attemptMarker } from '../../src/attempt/marker.ts'
import { classifyOutcome, type Outcome } from '../../src/attempt/outcome.ts'
import { settleAttempts } from '../../src/attempt/settle-attempts.sql.ts'
import { settlementOf } from '../../src/attempt/settlement.ts'
import { createCloudDcClient } from '../../src/clouddc/client.ts'
import type { Database } from '../../src/database/database.ts'
import { type ClaimedRequest, claimRequests } from '../../src/dispatch/claim-requests.sql.ts'
import { createRequestStore, type InsertOutcome } from '../../src/intake/request-store.ts'
import { createReconciler, type ReconcilerOptions } from '../../src/reconcile/reconciler.ts'
import { registerReplica } from '../../src/replica/leases.sql.ts'
import type { Service } from '../../src/runtime/service.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { authBy } from './auth.ts'
import { clearTables, openTestDatabase, useTestDatabase } from './store-database.ts'
import { readOwedEvents, readRequest } from './stored-requests.ts'
import { tirelessReplica } from './tireless-replica.ts'

export const PROJECT = 'p'
export const PASSWORD = 'Passw0rd!'
/** A bucket that is far from full leaves its calls seconds before they count as held up. */
export const LIMIT = { perSecond: 200, burst: 5000 }
const LEASE_MS = 60_000
const SETTLE_MS = 400
export const POLL_TIMES = { firstPollMs: 1000, provisionTimeoutMs: 3_600_000 }

export const SPEC = {
  name: 'web',
  image_id: 'image',
  vpc_id: 'vpc',
  network_interfaces: [{ subnet_id: 'subnet' }],
}

/** A request with the claim that its attempt belongs to. */
export type Claimed = ClaimedRequest & { claimId: string }

export type ReconcileWorld = Awaited<ReturnType<typeof createReconcileWorld>>

export { clearTables, openTestDatabase, useTestDatabase }

/**
 * What surrounds the reconciler: a database with requests in it, a simulator, and the steps of a dispatch one by one,
 * so that a test can lose an answer, a call or a replica at the place it chooses.
 */
export async function createReconcileWorld(database: Database, options: SimulatorOptions = {}) {
  const logger = pino({ level: process.env.TEST_LOG ?? 'silent' })
  const simulator = await createSimulator({ bootMinMs: 60_000, bootMaxMs: 60_000, ...options })
  const client = createCloudDcClient({
    endpointOf: () => simulator.url,
    auth: authBy(null),
    callTimeoutMs: 60_000,
    connections: 4,
    logger,
  })
  const metrics = createMetrics()
  const store = createRequestStore({ database, limitOf: () => LIMIT })
  const replicaId = uuidv7()
  const installation = createInstallation(database)
  await clearTables(database)
  await registerReplica(database, replicaId, LEASE_MS)
  const running: Service[] = []
  onTestFinished(async () => {
    await Promise.all(running.map((service) => service.stop()))
    await client.close()
    await simulator.close()
  })

  /** Hands a request to the store as intake does, its password sealed in name only. */
  const insert = async (
    changes: { id?: string; requestId?: string; deadline?: Date } = {},
    spec: Record<string, unknown> = {},
  ): Promise<InsertOutcome> => {
    const id = changes.id ?? uuidv7()
    const requestId = changes.requestId ?? `order-${id}`
    const servers = (spec.placement as { server_id_set: string[] } | undefined)?.server_id_set
    const counts = servers === undefined ? { min_count: 1, max_count: 1 } : {}
    const whole: Record<string, unknown> = { ...SPEC, ...counts, ...spec }
    const [outcome] = await store.insertRequests([
      {
        ...{ id, projectId: PROJECT, requestId, correlationId: null, traceparent: null, tracestate: null },
        contentDigest: randomBytes(32),
        passwordDigest: `k:${randomBytes(8).toString('base64')}`,
        spec: whole,
        sealedPassword: Buffer.from(PASSWORD),
        passwordTrace: 'k:0abcd',
        priority: 0,
        minCount: servers?.length ?? Number(whole.min_count),
        maxCount: servers?.length ?? Number(whole.max_count),
        deadline: changes.deadline ?? null,
        waitsForReady: false,
        held: false,
      },
    ])
    if (outcome === undefined) throw new Error('the store told no outcome')
    return outcome
  }

  /** A new request in the queue. */
  const place = async (
    spec: Record<string, unknown> = {},
    changes: { deadline?: Date; requestId?: string } = {},
  ) => {
    const id = uuidv7()
    const requestId = changes.requestId ?? `order-${id}`
    await insert({ ...changes, id, requestId }, spec)
    return { id, requestId }
  }

  const claimAsIs = async (by: string = replicaId): Promise<Claimed[]> => {
    const claimId = uuidv7()
    const limits = {
      slots: 50,
      maxProjects: 10,
      probeMs: 1000,
      readinessShare: 0.02,
      lateMs: 0,
      preflight: false,
    }
    const { requests } = await claimRequests(database, { replicaId: by, claimId, ...limits })
    return requests.map((request) => ({ ...request, claimId }))
  }

  /** Claims all that is queued: the buckets are filled before. */
  const claim = async (by: string = replicaId): Promise<Claimed[]> => {
    await database.query('UPDATE rate_bucket SET tokens = capacity')
    return claimAsIs(by)
  }

  const call = async (request: ClaimedRequest): Promise<Outcome> => {
    const { id: provisionRequestId, attempt, projectId, requestId, spec } = request
    const marker = attemptMarker({
      ...{ provisionRequestId, attempt, requestId },
      installation: await installation(),
    })
    const body = buildBatchCreateBody(spec, PASSWORD, marker)
    return classifyOutcome(await client.batchCreate({ projectId, body }), request)
  }

  /** Records an outcome; false when somebody else had settled the attempt. */
  const record = async (request: Claimed, outcome: Outcome): Promise<boolean> => {
    const { id, attempt, claimId, minCount, maxCount } = request
    const open = {
      id,
      attempt,
      from: 'dispatching',
      claimId,
      minCount,
      maxCount,
      instanceName: 'web',
    } as const
    const row = settlementOf(open, outcome, { firstLookMs: 20, settleMs: SETTLE_MS })
    return (await settleAttempts(database, [row], POLL_TIMES)).length > 0
  }

  /** Claims what is queued, calls CloudDC, and records; returns the claims. */
  const dispatch = async (): Promise<Claimed[]> => {
    const requests = await claim()
    for (const request of requests) await record(request, await call(request))
    return requests
  }

  const run = async <Started extends Service>(service: Started): Promise<Started> => {
    running.push(service)
    await service.start()
    return service
  }

  const reconciler = (changes: Partial<ReconcilerOptions> = {}) =>
    createReconciler({
      database,
      client,
      replica: tirelessReplica(replicaId),
      settleMs: SETTLE_MS,
      maxAttempts: 3,
      installation,
      pollTimes: POLL_TIMES,
      intervalMs: 300,
      metrics,
      logger,
      onSettled: () => undefined,
      ...changes,
    })

  const request = (id: string) => readRequest(database, id)
  const events = (requestId?: string) => readOwedEvents(database, requestId)

  /** The batch-create calls that have created something, by the simulator's ledger. */
  const creations = () =>
    simulator.ledger.calls({ operation: 'RunInstances' }).filter((one) => one.instance_ids.length > 0)

  const listings = () => simulator.ledger.calls({ operation: 'ListInstances' })

  const metric = async (name: string, labels: Record<string, string> = {}): Promise<number> => {
    const found = await metrics.registry.getSingleMetric(`provisioner_${name}`)?.get()
    const values = found?.values ?? []
    return values
      .filter((value) =>
        Object.entries(labels).every(
          ([key, label]) => (value.labels as Record<string, unknown>)[key] === label,
        ),
      )
      .reduce((sum, value) => sum + value.value, 0)
  }

  return {
    database,
    simulator,
    client,
    metrics,
    logger,
    replicaId,
    installation,
    insert,
    place,
    claim,
    claimAsIs,
    call,
    record,
    dispatch,
    run,
    reconciler,
    request,
    events,
    creations,
    listings,
    metric,
  }
}

/** A request whose call has created its server, and whose answer was lost. */
export async function placeUncertain(world: ReconcileWorld) {
  const placed = await world.place()
  world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
  await world.dispatch()
  return { ...placed, key: { projectId: PROJECT, requestId: placed.requestId } }
}
