import { fastify } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { cancelRequest } from '../../src/api/cancel.ts'
import { registerCancelRoute } from '../../src/api/cancel-route.ts'
import { registerErrorReplies } from '../../src/api/error-replies.ts'
import { createReads } from '../../src/api/reads.ts'
import type { Database } from '../../src/database/database.ts'
import { parseHistory } from '../../src/request/history.ts'
import { clearTables, useTestDatabase } from '../support/store-database.ts'
import { storedEvents } from '../support/stored-events.ts'
import { claim, placeRequests, setBucket } from './statement-world.ts'

const PROJECT = 'p'
const database = await useTestDatabase()
beforeEach(() => clearTables(database))

const cancel = (requestId: string) => cancelRequest(database, { projectId: PROJECT, requestId })

/** A request in the queue. */
async function place(requestId: string, changes: { deadline?: Date } = {}): Promise<string> {
  const [id = ''] = await placeRequests(database, { projectId: PROJECT, requestId, ...changes })
  return id
}

const read = (id: string) => database.prisma.provisionRequest.findUniqueOrThrow({ where: { id } })

/** Claims all that is queued. */
async function claimAll() {
  await setBucket(database, PROJECT, { tokens: 'capacity', due_at: 'now()' })
  return (await claim(database, { slots: 100 })).requests
}

describe('cancelling', () => {
  test('withdraws a queued request with its event, and erases its password', async () => {
    const id = await place('order-1', { deadline: new Date(Date.now() + 60_000) })
    expect(await cancel('order-1')).toBe('cancelled')
    const request = await read(id)
    expect(request).toMatchObject({
      state: 'cancelled',
      previousState: 'queued',
      version: 2,
      sealedPassword: null,
      queueRank: null,
      expiresAt: null,
      exceptionState: 'cancelled',
      errorCode: null,
      completedAt: request.updatedAt,
    })
    expect(parseHistory([request.history])[1]).toEqual({
      v: 2,
      at: request.updatedAt.getTime(),
      to: 'cancelled',
      cause: 'cancelled',
    })
    const event = (await storedEvents(database, id)).at(-1)
    expect(JSON.parse(event?.body ?? '')).toMatchObject({
      type: 'provisioner.request.completed',
      data: { state: 'cancelled', error: null, counts: { created: 0 } },
    })
    expect(await claimAll()).toEqual([])
  })

  test('withdraws a request that waits for its retry', async () => {
    const id = await place('order-1')
    await database.query(
      `UPDATE provision_request SET queue_rank = NULL, retry_at = now() + interval '1 hour'`,
    )
    expect(await cancel('order-1')).toBe('cancelled')
    expect((await read(id)).retryAt).toBeNull()
  })

  test('twice changes nothing the second time', async () => {
    const id = await place('order-1')
    await cancel('order-1')
    const before = [await read(id), await storedEvents(database)]
    expect(await cancel('order-1')).toBe('cancelled')
    expect([await read(id), await storedEvents(database)]).toEqual(before)
  })

  test('is too late once the request was claimed', async () => {
    await place('order-1')
    await claimAll()
    expect(await cancel('order-1')).toEqual({ state: 'dispatching' })
  })

  test('is too late for a request that is claimed between its read and its change', async () => {
    await place('order-1')
    let statements = 0
    const overtaken: Database = {
      ...database,
      throughPrisma: {
        query: async (text, ...values) => {
          statements += 1
          await claimAll()
          return database.throughPrisma.query(text, ...values)
        },
      },
    }
    const key = { projectId: PROJECT, requestId: 'order-1' }
    expect(await cancelRequest(overtaken, key)).toEqual({ state: 'dispatching' })
    expect(statements).toBe(1)
  })

  test('of an unknown request is told as such', async () => {
    expect(await cancel('nothing')).toBe('unknown')
  })

  test('against claims at the same moment: each request is either cancelled or dispatched', async () => {
    const requestIds = Array.from({ length: 40 }, (_, n) => `order-${n}`)
    for (const requestId of requestIds) await place(requestId)
    const limit = { refill_per_second: '1000', capacity: '1000', tokens: '1000', due_at: 'now()' }
    await setBucket(database, PROJECT, limit)
    const [claimed, outcomes] = await Promise.all([
      claim(database, { slots: 100 }),
      Promise.all(requestIds.map(cancel)),
    ])
    const dispatching = new Set(claimed.requests.map((request) => request.requestId))
    requestIds.forEach((requestId, index) => {
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
    const reads = createReads({ database, limitOf: () => ({ perSecond: 5, burst: 10 }) })
    registerCancelRoute(app, { reads, cancel: (key) => cancelRequest(database, key) })
    const url = `/v1/${PROJECT}/provision-requests/${requestId}/cancel`
    const reply = await app.inject({ method: 'POST', url })
    return { status: reply.statusCode, type: String(reply.headers['content-type']), body: reply.json() }
  }

  test('answers 202 with the status, and again when it is cancelled already', async () => {
    await place('order-1')
    for (const _ of [1, 2]) {
      expect(await post('order-1')).toMatchObject({
        status: 202,
        body: { request_id: 'order-1', state: 'cancelled', waiting: null },
      })
    }
  })

  test('answers 409 with the state when it is too late', async () => {
    await place('order-1')
    await claimAll()
    expect(await post('order-1')).toMatchObject({
      status: 409,
      type: expect.stringMatching(/^application\/problem\+json/),
      body: { status: 409, code: 'too_late', state: 'dispatching' },
    })
  })

  test('answers 404 for an unknown request, and 400 for an impossible one', async () => {
    expect((await post('nothing')).status).toBe(404)
    expect((await post('%20')).status).toBe(400)
  })
})
