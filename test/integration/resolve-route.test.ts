import { expect, test } from 'vitest'
import { createReads } from '../../src/api/reads.ts'
import { createOperationsReads } from '../../src/operations/reads.ts'
import { ResolveError, resolveByHand } from '../../src/operations/resolve-by-hand.ts'
import { createApi } from '../support/api-world.ts'
import { NO_OPERATIONS } from '../support/operations-stub.ts'
import {
  createReconcileWorld,
  POLL_TIMES,
  PROJECT,
  placeUncertain,
  useTestDatabase,
} from '../support/reconcile-world.ts'

const database = await useTestDatabase()
const RULES = { settleMs: 1000, maxAttempts: 3, pollTimes: POLL_TIMES }
const REASON = 'looked it up in the console'

/** An API whose resolving is real; what it answers to a POST of this body. */
function setUp() {
  const { api } = createApi(createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) }), {
    operations: {
      ...NO_OPERATIONS,
      reads: createOperationsReads({ database }),
      resolve: (key, verdict, by) =>
        resolveByHand(database, key, verdict, RULES, by).then(
          () => null,
          (error: unknown) => {
            if (error instanceof ResolveError) return error
            throw error
          },
        ),
    },
  })
  const resolve = async (requestId: string, payload: Record<string, unknown>) => {
    const url = `/v1/${PROJECT}/provision-requests/${requestId}/resolve`
    const reply = await api.app.inject({ method: 'POST', url, payload })
    return { status: reply.statusCode, body: reply.json() }
  }
  const get = async (url: string) => (await api.app.inject(url)).json()
  return { resolve, get }
}

test('attempts of unknown outcome are told, until a person resolves them', async () => {
  const world = await createReconcileWorld(database)
  const { id, requestId } = await placeUncertain(world)
  const { resolve, get } = setUp()
  expect(await get('/operations/uncertain')).toMatchObject({
    total: 1,
    attempts: [
      {
        request_id: requestId,
        attempt_id: `${id}.1`,
        expected: { min: 1, max: 1 },
        looks: 0,
        evidence: { error_code: expect.any(String) },
        next_look_at: expect.any(String),
      },
    ],
    next_marker: null,
  })
  const adopt = world.creations().flatMap((call) => call.instance_ids)
  const { status, body } = await resolve(requestId, { adopt, reason: REASON })
  expect([status, body.state]).toEqual([200, 'provisioning'])
  expect(await get('/operations/uncertain')).toMatchObject({ total: 0, attempts: [] })
  expect(await get('/operations/audit')).toMatchObject({
    entries: [{ who: 'open', verb: 'resolve', target: requestId, reason: REASON, after: { adopted: adopt } }],
  })
})

test('what the looks have found speaks against void, and against adopting less', async () => {
  const world = await createReconcileWorld(database)
  const { id, requestId } = await placeUncertain(world)
  const reconciling = {
    found: ['i-1'],
    agreed: 1,
    looks: [{ at: '2026-11-23T12:00:00.000Z', after_ms: 1, listed: 3, found: 1 }],
    look_count: 1,
  }
  await database.query(
    'UPDATE look SET evidence = $2 WHERE provision_request_id = $1',
    id,
    JSON.stringify({ reconciling }),
  )
  const { resolve } = setUp()
  for (const verdict of [{ void: true }, { adopt: ['i-2'] }]) {
    const { status, body } = await resolve(requestId, { ...verdict, reason: REASON })
    expect([status, body.code, body.state]).toEqual([409, 'cannot_resolve', 'uncertain'])
    expect(body.evidence).toMatchObject({ reconciling: { found: ['i-1'] } })
    expect(body.detail).toContain('i-1')
  }
  expect((await resolve(requestId, { adopt: ['i-1'], reason: REASON })).status).toBe(200)
  const { status, body } = await resolve(requestId, { void: true, reason: REASON })
  expect([status, body.state, body.evidence]).toEqual([409, 'provisioning', null])
  expect(await database.prisma.auditEntry.count()).toBe(1)
})

test('a body that says nothing clear is refused', async () => {
  const { resolve } = setUp()
  const bodies = [
    {},
    { void: true },
    { void: true, reason: 'too short' },
    { void: true, adopt: ['i-1'], reason: REASON },
    { adopt: [], reason: REASON },
    { void: false, reason: REASON },
    { void: true, reason: 'x'.repeat(501) },
    { void: true, reason: REASON, force: true },
  ]
  for (const one of bodies) expect((await resolve('order-1', one)).status, JSON.stringify(one)).toBe(400)
  expect((await resolve('order-1', { void: true, reason: REASON })).status).toBe(404)
})
