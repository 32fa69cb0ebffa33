import { fastify } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cancelRequest } from '../../src/api/cancel.ts'
import { registerCancelRoute } from '../../src/api/cancel-route.ts'
import { registerErrorReplies } from '../../src/api/error-replies.ts'
import { createReads } from '../../src/api/reads.ts'
import { createReconcileWorld, PROJECT, useTestDatabase } from '../support/reconcile-world.ts'

const database = await useTestDatabase()

const cancel = (requestId: string) => cancelRequest(database, { projectId: PROJECT, requestId })

describe('cancelling', () => {
  test('withdraws a queued request with its event, and erases its password', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place({}, { deadline: new Date(Date.now() + 60_000) })
    expect(await cancel(requestId)).toBe('cancelled')
    expect(await world.request(id)).toMatchObject({
      state: 'cancelled',
      sealedPassword: null,
      queueRank: null,
      expiresAt: null,
      exceptionState: 'cancelled',
      errorCode: null,
    })
    expect((await world.events(requestId)).at(-1)).toMatchObject({
      kind: 'request.completed',
      data: { state: 'cancelled', error: null, counts: { created: 0 } },
    })
    expect(await world.claim()).toEqual([])
  })

  test('withdraws a request that waits for its retry', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    await database.query(
      `UPDATE provision_request SET queue_rank = NULL, retry_at = now() + interval '1 hour'`,
    )
    expect(await cancel(requestId)).toBe('cancelled')
    expect((await world.request(id)).retryAt).toBeNull()
  })

  test('twice changes nothing the second time', async () => {
    const world = await createReconcileWorld(database)
    const { id, requestId } = await world.place()
    await cancel(requestId)
    const before = [await world.request(id), await world.events(requestId)]
    expect(await cancel(requestId)).toBe('cancelled')
    expect([await world.request(id), await world.events(requestId)]).toEqual(before)
  })

  test('is too late once the request was claimed', async () => {
    const world = await createReconcileWorld(database)
    const { requestId } = await world.place()
    await world.claim()
    expect(await cancel(requestId)).toEqual({ state: 'dispatching' })
  })

  test('of an unknown request is told as such', async () => {
    await createReconcileWorld(database)
    expect(await cancel('nothing')).toBe('unknown')
  })

  test('against claims at the same moment: each request is either cancelled or dispatched', async () => {
    const world = await createReconcileWorld(database)
    const placed = await Promise.all(Array.from({ length: 40 }, () => world.place()))
    const [claimed, outcomes] = await Promise.all([
      world.claim(),
      Promise.all(placed.map(({ requestId }) => cancel(requestId))),
    ])
    const dispatching = new Set(claimed.map((request) => request.requestId))
    placed.forEach(({ requestId }, index) => {
      expect(outcomes[index]).toEqual(dispatching.has(requestId) ? { state: 'dispatching' } : 'cancelled')
    })
  })
})

describe('POST /cancel', () => {
  async function post(requestId: string) {
    const app = fastify()
    onTestFinished(() => app.close())
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    registerErrorReplies(app)
    const reads = createReads({ database })
    registerCancelRoute(app, { reads, cancel: (key) => cancelRequest(database, key) })
    const url = `/v1/${PROJECT}/provision-requests/${requestId}/cancel`
    const reply = await app.inject({ method: 'POST', url })
    return { status: reply.statusCode, type: String(reply.headers['content-type']), body: reply.json() }
  }

  test('answers 202 with the status, and again when it is cancelled already', async () => {
    const world = await createReconcileWorld(database)
    const { requestId } = await world.place()
    for (const _ of [1, 2]) {
      expect(await post(requestId)).toMatchObject({
        status: 202,
        body: { request_id: requestId, state: 'cancelled', waiting: null },
      })
    }
  })

  test('answers 409 with the state when it is too late', async () => {
    const world = await createReconcileWorld(database)
    const { requestId } = await world.place()
    await world.dispatch()
    expect(await post(requestId)).toMatchObject({
      status: 409,
      type: expect.stringMatching(/^application\/problem\+json/),
      body: { status: 409, code: 'too_late', state: 'provisioning' },
    })
  })

  test('answers 404 for an unknown request, and 400 for an impossible one', async () => {
    await createReconcileWorld(database)
    expect((await post('nothing')).status).toBe(404)
    expect((await post('%20')).status).toBe(400)
  })
})
