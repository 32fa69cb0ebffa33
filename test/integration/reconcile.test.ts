import { pino } from 'pino'
import { v7 as uuidv7 } from 'uuid'
import { describe, expect, test } from 'vitest'
import { attemptMarker, MARKER_KEY } from '../../src/attempt/marker.ts'
import { parseHistory } from '../../src/request/history.ts'
import { eventually } from '../support/eventually.ts'
import {
  createReconcileWorld,
  PROJECT,
  type ReconcileWorld,
  SPEC,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const tenPairs = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`key-${n}`, `${n}`]))
const unmarked = { metadata: tenPairs, description: 'x'.repeat(255) }

/** Loses the answer of the next batch-create, after its work. */
const loseAnswer = (world: ReconcileWorld) =>
  world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })

const loseCall = (world: ReconcileWorld) =>
  world.simulator.faults.add({ kind: 'cut_before', operation: 'RunInstances' })

async function becomes(world: ReconcileWorld, id: string, state: string) {
  await eventually(async () => expect((await world.request(id)).state).toBe(state))
  return world.request(id)
}

/** The looks in the evidence of a request's last attempt. */
function looksOf({ attempt }: Awaited<ReturnType<ReconcileWorld['request']>>): unknown[] {
  const evidence = attempt?.evidence as { reconciling?: { looks: unknown[] } } | null | undefined
  return evidence?.reconciling?.looks ?? []
}

/** The last change of a request, so many milliseconds earlier. */
async function makeOlder(id: string, ms: number) {
  const { history } = await database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })
  const entries = parseHistory([history])
  for (const entry of entries.slice(-1)) entry.at -= ms
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`)
  await database.prisma.provisionRequest.update({ where: { id }, data: { history: lines.join('') } })
}

const kinds = async (world: ReconcileWorld, requestId: string) =>
  (await world.events(requestId)).map((event) => event.kind)

describe('an answer lost after creating', () => {
  test('is adopted with every instance, once, at the first look', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place({ min_count: 1, max_count: 3 })
    loseAnswer(world)
    await world.dispatch()
    expect((await world.request(id)).state).toBe('uncertain')

    await world.run(world.reconciler({ settleMs: 60_000 }))
    const request = await becomes(world, id, 'provisioning')

    const [creation] = world.creations()
    expect(request.instances.map((instance) => instance.id).toSorted()).toEqual(
      creation?.instance_ids.toSorted(),
    )
    expect(request).toMatchObject({ createdCount: 3, sealedPassword: null, attempts: 1 })
    expect(request.attempt).toMatchObject({ state: 'adopted', reconcileAt: null })
    expect(request.attempt?.auditAt).not.toBeNull()
    expect(await kinds(world, requestId)).toEqual([
      'request.accepted',
      'request.uncertain',
      'request.dispatched',
    ])
    expect((await world.events(requestId)).at(-1)?.data).toMatchObject({ attempt: 1 })
    expect(await world.metric('reconcile_resolved_total', { kind: 'adopted' })).toBe(1)
    expect(await world.metric('invariant_violations_total')).toBe(0)
  })

  test('is adopted by the marker in the description where metadata is full', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ metadata: tenPairs, description: 'words' })
    loseAnswer(world)
    await world.dispatch()
    await world.run(world.reconciler({ settleMs: 60_000 }))
    expect((await becomes(world, id, 'provisioning')).createdCount).toBe(1)
    expect(world.simulator.ledger.instances()[0]?.metadata).toEqual(tenPairs)
  })

  test('on selected servers is adopted when every server has its instance', async () => {
    const world = await createReconcileWorld(database)
    const servers = world.simulator.inventory.show(PROJECT, { limit: 2 }).servers.map((server) => server.id)
    const { id } = await world.place({ placement: { server_id_set: servers } })
    loseAnswer(world)
    await world.dispatch()
    await world.run(world.reconciler({ settleMs: 60_000 }))
    expect((await becomes(world, id, 'provisioning')).createdCount).toBe(2)
  })

  test('waits for instances that are not visible yet, and adopts them', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ min_count: 2, max_count: 2 })
    world.simulator.faults.add({ kind: 'hide' })
    loseAnswer(world)
    world.simulator.faults.add({ kind: 'hide', newer_than_ms: 3_600_000 })
    await world.dispatch()
    await world.run(world.reconciler({ settleMs: 60_000 }))
    const request = await becomes(world, id, 'provisioning')
    expect(request.createdCount).toBe(2)
    expect(world.creations()).toHaveLength(1)
    const looks = looksOf(request)
    expect(looks[0]).toMatchObject({ found: 0 })
    expect(looks.at(-1)).toMatchObject({ found: 2 })
  })

  test('with fewer than asked for is adopted after the settling time, not before', async () => {
    const world = await createReconcileWorld(database, { serversPerProject: 2 })
    const { id } = await world.place({ min_count: 1, max_count: 5 })
    loseAnswer(world)
    await world.dispatch()
    await world.run(world.reconciler({ settleMs: 600 }))
    const request = await becomes(world, id, 'provisioning')
    expect(request.createdCount).toBe(2)
    const attempt = request.attempt
    const settledAfterMs = Number(attempt?.finishedAt) - Number(attempt?.uncertainAt)
    expect(settledAfterMs).toBeGreaterThanOrEqual(600)
  })
})

describe('a call cut before creating', () => {
  test('is void after the settling time, and queued again for one more attempt', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    loseCall(world)
    await world.dispatch()
    await world.run(world.reconciler())
    const queued = await becomes(world, id, 'queued')

    expect(queued.attempt).toMatchObject({ state: 'void', reconcileAt: null })
    expect(queued.attempt?.listingsWithout).toBeGreaterThanOrEqual(2)
    expect(Number(queued.attempt?.finishedAt) - Number(queued.attempt?.uncertainAt)).toBeGreaterThanOrEqual(
      400,
    )
    expect(queued).toMatchObject({ attempts: 1, queueRank: null })
    expect(queued.retryAt).not.toBeNull()
    expect(queued.sealedPassword).not.toBeNull()

    await database.query('UPDATE provision_request SET retry_at = NULL, queue_rank = created_at')
    await database.query('UPDATE rate_bucket SET due_at = now()')
    await world.dispatch()
    expect((await world.request(id)).state).toBe('provisioning')
    expect(world.creations()).toHaveLength(1)
    expect(await kinds(world, requestId)).toEqual([
      'request.accepted',
      'request.uncertain',
      'request.dispatched',
    ])
    expect(await world.metric('reconcile_resolved_total', { kind: 'void' })).toBe(1)
  })

  test('is void by two listings soon after an outage that has kept listings away for long', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    loseCall(world)
    await world.dispatch()
    await makeOlder(id, 3_600_000)
    await world.run(world.reconciler({ settleMs: 5000 }))
    const queued = await becomes(world, id, 'queued')
    expect(queued.attempt?.listingsWithout).toBe(2)
  })

  test('ends the request when it was the last attempt', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    loseCall(world)
    await world.dispatch()
    await world.run(world.reconciler({ maxAttempts: 1 }))
    const request = await becomes(world, id, 'failed')
    expect(request).toMatchObject({
      errorCode: 'attempts_exhausted',
      sealedPassword: null,
      exceptionState: 'failed',
    })
    expect((await kinds(world, requestId)).at(-1)).toBe('request.completed')
  })

  test('on selected servers asks for the servers too before it is void', async () => {
    const world = await createReconcileWorld(database)
    const [server] = world.simulator.inventory.show(PROJECT, { limit: 1 }).servers
    const { id } = await world.place({ placement: { server_id_set: [server?.id] } })
    loseCall(world)
    await world.dispatch()
    await world.run(world.reconciler())
    await becomes(world, id, 'queued')
    const queries = world.listings().map((listing) => listing.query)
    expect(queries.some((query) => query.includes(`server_id=${server?.id}`))).toBe(true)
  })

  test('past its deadline goes back to the queue, for the sweeper to expire', async () => {
    const world = await createReconcileWorld(database)
    const deadline = new Date(Date.now() + 60_000)
    const { id } = await world.place({}, { deadline })
    loseCall(world)
    await world.dispatch()
    await database.query(`UPDATE provision_request SET deadline = now() - interval '1 second'`)
    await world.run(world.reconciler())
    const request = await becomes(world, id, 'queued')
    expect(request.expiresAt).toEqual(request.deadline)
  })
})

describe('listings that cannot be trusted', () => {
  test('that fail prove nothing, and are told in the evidence', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    loseCall(world)
    await world.dispatch()
    const failing = world.simulator.faults.add({
      kind: 'error_before',
      operation: 'ListInstances',
      status: 503,
      count: null,
    })
    await world.run(world.reconciler({ settleMs: 100 }))
    await world.simulator.faults.struck(failing.id, 2)
    await eventually(async () => {
      expect(looksOf(await world.request(id))[0]).toMatchObject({ error: 'APIGW.0613' })
    })
    expect(await world.request(id)).toMatchObject({ state: 'uncertain', attempt: { listingsWithout: 0 } })
    world.simulator.faults.remove(failing.id)
    await becomes(world, id, 'queued')
    expect(await world.metric('reconcile_listings_total', { result: 'failed' })).toBeGreaterThanOrEqual(2)
  })

  test('that end too soon are not complete', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ min_count: 3, max_count: 3 })
    loseAnswer(world)
    await world.dispatch()
    const cutting = world.simulator.faults.add({ kind: 'truncate', keep: 1, end: true, count: null })
    await world.run(world.reconciler({ settleMs: 100 }))
    await world.simulator.faults.struck(cutting.id, 2)
    expect((await world.request(id)).state).toBe('uncertain')
    world.simulator.faults.remove(cutting.id)
    expect((await becomes(world, id, 'provisioning')).createdCount).toBe(3)
  })

  test('that never end are given up, and hold up no other project', async () => {
    const world = await createReconcileWorld(database)
    const placed = [await world.place(), await world.place(), await world.place()]
    for (const _ of placed) loseAnswer(world)
    await world.dispatch()
    const [endless, , healthy] = placed.map(({ id }) => id)
    for (const { id } of placed.slice(0, 2)) {
      await database.query(`UPDATE provision_request SET project_id = $1 WHERE id = $1::uuid`, id)
      await database.query(
        `UPDATE look SET project_id = $1, due_at = now() - interval '1 hour' WHERE provision_request_id = $1::uuid`,
        id,
      )
    }
    const client = {
      ...world.client,
      listAllInstances: async (query: Parameters<typeof world.client.listAllInstances>[0]) => {
        while (query.projectId !== PROJECT) await query.beforeCall?.()
        return world.client.listAllInstances(query)
      },
    }
    await world.run(world.reconciler({ client, settleMs: 60_000, looksAtOnce: 2, lookLimitMs: 50 }))
    await becomes(world, healthy ?? '', 'provisioning')
    await eventually(async () => {
      const request = await world.request(endless ?? '')
      expect(looksOf(request)[0]).toMatchObject({ error: 'LISTING_OVERDUE' })
      expect(request).toMatchObject({ state: 'uncertain', attempt: { listingsWithout: 0 } })
    })
  })

  test('of many short pages are read to the end', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place({ min_count: 5, max_count: 5 })
    loseAnswer(world)
    await world.dispatch()
    world.simulator.faults.add({ kind: 'truncate', keep: 2, count: null })
    await world.run(world.reconciler({ settleMs: 60_000 }))
    expect((await becomes(world, id, 'provisioning')).createdCount).toBe(5)
    const [bucket] = await database.prisma.rateBucket.findMany()
    expect(bucket?.tokens).toBeLessThan(bucket?.capacity ?? 0)
  })

  test('that are refused close the bucket for all, and prove nothing', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    loseAnswer(world)
    await world.dispatch()
    const refusing = world.simulator.faults.add({
      kind: 'error_before',
      operation: 'ListInstances',
      status: 404,
      body: '<html>no such page</html>',
      count: null,
    })
    await world.run(world.reconciler({ settleMs: 100 }))
    await eventually(async () => {
      const [bucket] = await database.prisma.rateBucket.findMany()
      expect(bucket?.blockedReason).toBe('misconfigured')
    })
    expect(await world.request(id)).toMatchObject({ state: 'uncertain', attempt: { listingsWithout: 0 } })
    world.simulator.faults.remove(refusing.id)
    await eventually(async () => {
      await database.query('UPDATE rate_bucket SET blocked_until = now() WHERE blocked_until > now()')
      expect((await world.request(id)).state).toBe('provisioning')
    })
  })

  test('that are throttled close the bucket for all', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    loseAnswer(world)
    await world.dispatch()
    world.simulator.faults.add({ kind: 'throttle', operation: 'ListInstances', retry_after: 600 })
    await world.run(world.reconciler({ settleMs: 60_000 }))
    await eventually(async () => {
      const [bucket] = await database.prisma.rateBucket.findMany()
      expect(bucket?.blockedReason).toBe('throttled')
      expect(Number(bucket?.blockedUntil)).toBeGreaterThan(Date.now() + 300_000)
    })
    expect((await world.request(id)).state).toBe('uncertain')
    expect(world.listings()).toHaveLength(1)
    await database.query('UPDATE rate_bucket SET blocked_until = now()')
    await becomes(world, id, 'provisioning')
    expect(world.listings()).toHaveLength(2)
  })
})

describe('a closed bucket', () => {
  test('is no failure: the look comes when it opens', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place()
    loseAnswer(world)
    await world.dispatch()
    await database.query(
      `UPDATE rate_bucket SET blocked_until = now() + interval '1 hour', blocked_reason = 'throttled'`,
    )
    const dueAt = async () => Number((await world.request(id)).attempt?.reconcileAt)
    const before = await dueAt()
    await world.run(world.reconciler({ settleMs: 60_000 }))
    // Claimed for a look, twice.
    await eventually(async () => expect(await dueAt()).toBeGreaterThan(before))
    const after = await dueAt()
    await eventually(async () => expect(await dueAt()).toBeGreaterThan(after))
    expect(world.listings()).toEqual([])
    await database.query('UPDATE rate_bucket SET blocked_until = now()')
    await becomes(world, id, 'provisioning')
    expect(world.listings()).toHaveLength(1)
    expect(await world.metric('reconcile_listings_total', { result: 'failed' })).toBe(0)
  })
})

describe('instances of others', () => {
  test('are ignored, whatever marker they carry, and each other installation is logged once', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    loseCall(world)
    await world.dispatch()
    const own = { provisionRequestId: id, attempt: 1, installation: await world.installation(), requestId }
    const markers = [
      'not-a-marker',
      attemptMarker(own).short,
      attemptMarker({ ...own, provisionRequestId: uuidv7() }).whole,
      attemptMarker({ ...own, requestId: 'other' }).whole,
      attemptMarker({ ...own, attempt: 2 }).whole,
      attemptMarker({ ...own, installation: 'zz99zz99' }).whole,
      attemptMarker({ ...own, installation: 'zz99zz99', attempt: 2 }).whole,
    ]
    for (const marker of markers) {
      const metadata = { [MARKER_KEY]: marker }
      const body = { ...SPEC, min_count: 1, max_count: 1, password: 'Passw0rd!', metadata }
      await world.client.batchCreate({ projectId: PROJECT, body: JSON.stringify(body) })
    }
    const logged: Record<string, unknown>[] = []
    const logger = pino({ level: 'warn' }, { write: (line) => logged.push(JSON.parse(line)) })
    await world.run(world.reconciler({ logger }))
    const queued = await becomes(world, id, 'queued')
    expect(looksOf(queued).length).toBeGreaterThanOrEqual(2)
    expect(await kinds(world, requestId)).not.toContain('request.dispatched')
    expect(await world.metric('unexpected_instances_total')).toBe(0)
    expect(logged).toMatchObject([{ projectId: PROJECT, installation: 'zz99zz99' }])
  })
})

describe('a request without room for a marker', () => {
  test('is void when nothing like it exists', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place(unmarked)
    loseCall(world)
    await world.dispatch()
    await world.run(world.reconciler())
    expect((await becomes(world, id, 'queued')).attempt?.state).toBe('void')
  })

  test('is void beside an instance like it that the service knows from another request', async () => {
    const world = await createReconcileWorld(database)
    await world.place(unmarked)
    await world.dispatch()
    const { id } = await world.place(unmarked)
    loseCall(world)
    await world.dispatch()
    await world.run(world.reconciler())
    expect((await becomes(world, id, 'queued')).attempt?.state).toBe('void')
  })

  test('stays uncertain while something like it exists, and alarms once', async () => {
    const world = await createReconcileWorld(database)
    const { id } = await world.place(unmarked)
    loseAnswer(world)
    await world.dispatch()
    await world.run(world.reconciler({ settleMs: 100 }))
    await eventually(async () => {
      expect(looksOf(await world.request(id)).length).toBeGreaterThanOrEqual(4)
    })
    const request = await world.request(id)
    expect(request.state).toBe('uncertain')
    expect(request.attempt?.evidence).toMatchObject({ reconciling: { alarmed: true } })
    expect(await world.metric('invariant_violations_total', { invariant: 'stuck' })).toBe(1)
  })
})

describe('many uncertain attempts of one project', () => {
  test('are served by the same listings', async () => {
    const world = await createReconcileWorld(database)
    const placed = await Promise.all(Array.from({ length: 12 }, () => world.place()))
    world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances', count: 6 })
    world.simulator.faults.add({ kind: 'cut_before', operation: 'RunInstances', count: 6 })
    await world.dispatch()
    await world.run(world.reconciler())
    await eventually(async () => {
      const states = (await Promise.all(placed.map(({ id }) => world.request(id)))).map((one) => one.state)
      expect(states.filter((state) => state === 'provisioning')).toHaveLength(6)
      expect(states.filter((state) => state === 'queued')).toHaveLength(6)
    })
    const looks = (await Promise.all(placed.map(({ id }) => world.request(id)))).flatMap(looksOf)
    expect(world.listings().length).toBeLessThan(looks.length)
  })
})
