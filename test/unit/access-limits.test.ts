import { Agent, get as httpGet } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { accessBy, bearer, type TestKey } from '../support/access.ts'
import { type ProblemReply, REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'

const KEYS: TestKey[] = [
  { id: 'greedy', key: 'greedy-key' },
  { id: 'modest', key: 'modest-key' },
]
const access = accessBy({ keys: KEYS })

describe('a caller', () => {
  /** Three requests at once. */
  const few = () => setUpApi({}, { access, requestsPerSecond: 0.3 }).api.app

  test('is told to wait when it asks too often; others are not', async () => {
    const app = few()
    const ask = (key: string, url = REQUEST_PATH) => app.inject({ url, headers: bearer(key) })
    for (let n = 0; n < 3; n += 1) expect((await ask('greedy-key')).statusCode).toBe(200)
    const reply = await ask('greedy-key')
    expect(reply.statusCode).toBe(429)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0)
    expect(reply.json<ProblemReply>()).toMatchObject({ status: 429, code: 'too_many_requests' })
    expect((await ask('greedy-key', '/v1/p/provision-requests')).statusCode).toBe(429)
    expect((await ask('modest-key')).statusCode).toBe(200)
    expect((await ask('greedy-key', '/healthz')).statusCode).toBe(200)
    expect((await ask('greedy-key', '/readyz')).statusCode).toBe(200)
  })

  test('without a valid credential is limited by address, apart from those who have one', async () => {
    const app = few()
    const statuses: number[] = []
    for (let n = 0; n < 5; n += 1) {
      const headers = n % 2 === 0 ? bearer(`guess-${n}`) : {}
      statuses.push((await app.inject({ url: REQUEST_PATH, headers })).statusCode)
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429])
    expect((await app.inject({ url: REQUEST_PATH, headers: bearer('modest-key') })).statusCode).toBe(200)
    const elsewhere = await app.inject({ url: REQUEST_PATH, remoteAddress: '10.0.0.2' })
    expect(elsewhere.statusCode).toBe(401)
  })

  test('is not limited where everybody may do everything', async () => {
    const { api } = setUpApi({}, { requestsPerSecond: 0.3 })
    for (let n = 0; n < 10; n += 1) expect((await api.app.inject(REQUEST_PATH)).statusCode).toBe(200)
  })
})

describe('held replies', () => {
  test('of one caller are bounded, and leave room for those of others', async () => {
    const { api, world, watcher } = setUpApi({}, { access, requestsPerSecond: 1e6 })
    await api.start()
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const ask = (key: string) =>
      new Promise<number>((resolve, reject) => {
        const url = `${api.url()}${REQUEST_PATH}?wait=60s`
        httpGet(url, { agent, headers: bearer(key) }, (reply) => {
          reply.resume().on('end', () => resolve(reply.statusCode ?? 0))
        }).on('error', reject)
      })
    const statuses: number[] = []
    const greedy = Array.from({ length: 1000 }, async () => {
      statuses.push(await ask('greedy-key'))
    })
    await eventually(() => expect(statuses).toHaveLength(800))
    expect(new Set(statuses)).toEqual(new Set([429]))
    const modest = Array.from({ length: 20 }, () => ask('modest-key'))
    await eventually(() => expect(watcher.size()).toBe(220))
    world.state = 'dispatching'
    expect(new Set(await Promise.all(modest))).toEqual(new Set([200]))
    await Promise.all(greedy)
    expect(statuses.filter((status) => status === 200)).toHaveLength(200)
    // What was held is given back.
    world.state = 'queued'
    const again = ask('greedy-key')
    await eventually(() => expect(watcher.size()).toBe(1))
    world.state = 'dispatching'
    expect(await again).toBe(200)
  })
})

describe('refusals', () => {
  test('tell browsers as little as replies do', async () => {
    const app = setUpApi({}, { access }).api.app
    for (const url of [REQUEST_PATH, '/nowhere', '/healthz']) {
      const { headers } = await app.inject(url)
      expect(headers, url).toMatchObject({
        'content-security-policy': "default-src 'none';frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': 'no-store',
      })
      expect(headers['strict-transport-security']).toBeUndefined()
    }
  })
})
