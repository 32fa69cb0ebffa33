import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Reads } from '../../src/store/reads.ts'
import { DatabaseUnavailableError } from '../../src/store/reads.ts'
import { createApi, createOneRequestReads, ROW_ID } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'

const PATH = '/v1/p/provision-requests/order-1'

function setUp(overrides: Partial<Reads> = {}, options: Parameters<typeof createApi>[1] = {}) {
  const { world, reads } = createOneRequestReads()
  return { world, ...createApi({ ...reads, ...overrides }, options) }
}

type Problem = { status: number; title: string; code: string; detail?: string; errors?: { path: string }[] }

describe('an error is a problem document', () => {
  const CASES: [string, string, string, number, string[]?][] = [
    ['an unknown path', 'GET', '/v2/p', 404],
    ['an unknown path with a body', 'POST', '/v2/p', 404],
    ['a bad project', 'GET', '/v1/a%20b/provision-requests/x', 400, ['project_id']],
    ['a bad request id', 'GET', `/v1/p/provision-requests/${'x'.repeat(129)}`, 400, ['request_id']],
    ['a NUL in an id', 'GET', '/v1/p/provision-requests/a%00b', 400, ['request_id']],
    ['a bad instance id', 'GET', '/v1/p/instances/a%0Ab', 400, ['instance_id']],
    ['a path that cannot be decoded', 'GET', '/v1/%zz/provision-requests', 400],
    ['a bad duration', 'GET', `${PATH}?wait=1h`, 400, ['wait']],
    ['too long a wait', 'GET', `${PATH}?wait=61s`, 400, ['wait']],
    ['an unknown state to differ from', 'GET', `${PATH}?wait=1s&since=done`, 400, ['since']],
    ['an unknown query key', 'GET', `${PATH}?waiting=1s`, 400, ['']],
    [
      'several faults',
      'GET',
      '/v1/p/provision-requests?state=x&limit=0&marker=y',
      400,
      ['state', 'limit', 'marker'],
    ],
    ['an unknown instance', 'GET', '/v1/p/instances/unknown', 404],
    ['an unknown history', 'GET', `${PATH}/history`, 404],
  ]

  test.each(CASES)('%s', async (_case, method, url, status, paths) => {
    const { api } = setUp()
    const reply = await api.app.inject({
      method: method as 'GET',
      url,
      ...(method === 'POST' ? { body: 'x' } : {}),
    })
    expect(reply.statusCode).toBe(status)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
    const problem = reply.json<Problem>()
    expect(problem).toMatchObject({
      type: 'about:blank',
      status,
      title: expect.any(String),
      code: expect.any(String),
    })
    if (paths) expect(problem.errors?.map(({ path }) => path)).toEqual(paths)
  })

  test.each([
    ['POST', '/v1/p/provision-requests'],
    ['DELETE', PATH],
    ['PUT', '/healthz'],
    ['PATCH', '/openapi.json'],
  ])('%s %s is not allowed', async (method, url) => {
    const { api } = setUp()
    const reply = await api.app.inject({
      method: method as 'PUT',
      url,
      body: '<x/>',
      headers: { 'content-type': 'text/xml' },
    })
    expect(reply.statusCode).toBe(405)
    expect(reply.headers.allow).toBe('GET, HEAD')
    expect(reply.json<Problem>()).toMatchObject({ status: 405, code: 'method_not_allowed' })
  })

  test('an unknown request', async () => {
    const { api, world } = setUp()
    world.exists = false
    const reply = await api.app.inject(`${PATH}?wait=30s`)
    expect(reply.statusCode).toBe(404)
    expect(reply.json<Problem>().detail).toContain('order-1')
  })

  test('a database that is away', async () => {
    const { api, log } = setUp({
      list: async () => {
        throw new DatabaseUnavailableError('away', { cause: new Error('postgres://user:Canary@db') })
      },
    })
    const reply = await api.app.inject('/v1/p/provision-requests')
    expect(reply.statusCode).toBe(503)
    expect(reply.headers['retry-after']).toBe('1')
    expect(reply.json<Problem>().code).toBe('database_unavailable')
    expect(log()).toContain('request could not be answered')
    expect(reply.body + log()).not.toContain('Canary')
  })

  test('a fault of ours, which is logged and not shown', async () => {
    const { api, log } = setUp({
      list: async () => {
        throw new Error('the inner reason, password=Canary')
      },
    })
    const reply = await api.app.inject('/v1/p/provision-requests?state=running')
    expect(reply.statusCode).toBe(500)
    expect(reply.body).not.toContain('inner reason')
    expect(log()).toContain('the inner reason')
    expect(reply.body + log()).not.toMatch(/Canary|state=running/)
  })

  test('a reply that does not fit its schema', async () => {
    const { api, log } = setUp({
      list: async () => ({ requests: [], lastId: null, requestz: 1 }) as Awaited<ReturnType<Reads['list']>>,
      status: async () => ({ id: ROW_ID, status: { state: 'dancing' } as never }),
    })
    expect((await api.app.inject('/v1/p/provision-requests')).statusCode).toBe(200)
    const reply = await api.app.inject(PATH)
    expect(reply.statusCode).toBe(500)
    expect(reply.json<Problem>().code).toBe('internal_error')
    expect(log()).toContain('request failed')
  })
})

describe('a body', () => {
  test.each([
    ['none', undefined, undefined],
    ['none, though a type is named', undefined, 'application/json'],
    ['an empty one', '', 'application/json'],
    ['a JSON one', '{"reason":"x"}', 'application/json'],
    ['a broken one of another type', '<x', 'text/xml'],
  ])('is left where no route takes one: %s', async (_case, body, type) => {
    const { api } = setUp()
    await api.start()
    const reply = await fetch(`${api.url()}${PATH}/cancel`, {
      method: 'POST',
      ...(body === undefined ? {} : { body }),
      headers: type === undefined ? {} : { 'content-type': type },
    })
    expect([reply.status, await reply.json()]).toEqual([
      202,
      expect.objectContaining({ request_id: 'order-1' }),
    ])
  })

  test('that is too large is refused', async () => {
    const { api } = setUp()
    const reply = await api.app.inject({ method: 'POST', url: `${PATH}/cancel`, body: 'x'.repeat(65_537) })
    expect(reply.statusCode).toBe(413)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  })
})

test('a process without the role api serves health and metrics only', async () => {
  const { api } = setUp({}, { servesRequests: false })
  expect((await api.app.inject(PATH)).statusCode).toBe(404)
  expect((await api.app.inject('/healthz')).statusCode).toBe(200)
  expect((await api.app.inject('/metrics')).statusCode).toBe(200)
})

describe('what is no request', () => {
  async function exchange(url: string, text: string): Promise<string> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.write(text)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  }

  test.each([
    ['nonsense', 'nonsense\r\n\r\n', 400],
    ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s is answered with a problem, and the connection ends', async (_case, text, status) => {
    const { api } = setUp()
    await api.start()
    const answer = await exchange(api.url(), text)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain('content-type: application/problem+json')
    expect(JSON.parse(body)).toMatchObject({ status })
  })
})

describe('health', () => {
  test('is fine while the process lives, whatever else', async () => {
    const { api } = setUp({}, { checks: { database: () => Promise.reject(new Error('away')) } })
    const reply = await api.app.inject('/healthz')
    expect([reply.statusCode, reply.json()]).toEqual([200, { status: 'ok' }])
  })

  test('is ready when every check is content', async () => {
    const { api } = setUp({}, { checks: { database: async () => undefined, broker: () => undefined } })
    const reply = await api.app.inject('/readyz')
    expect([reply.statusCode, reply.json()]).toEqual([
      200,
      { status: 'ready', checks: { database: 'ok', broker: 'ok' } },
    ])
  })

  test('is not ready with the reasons, free of secrets', async () => {
    const { api, log } = setUp(
      {},
      {
        checks: {
          database: () => Promise.reject(new Error('cannot reach postgres://user:Canary@db')),
          broker: () => {
            throw new Error('no session')
          },
          migrations: () => undefined,
        },
      },
    )
    const reply = await api.app.inject('/readyz')
    expect(reply.statusCode).toBe(503)
    expect(reply.json<Problem>()).toMatchObject({
      code: 'not_ready',
      errors: [
        { path: 'database', message: 'cannot reach postgres://[redacted]@db' },
        { path: 'broker', message: 'no session' },
      ],
    })
    expect(log()).not.toContain('could not be answered')
  })

  test('asks the checks once for many who ask', async () => {
    let asked = 0
    const { api } = setUp(
      {},
      {
        checks: {
          database: async () => {
            asked += 1
          },
        },
      },
    )
    await Promise.all(Array.from({ length: 20 }, () => api.app.inject('/readyz')))
    await api.app.inject('/readyz')
    expect(asked).toBe(1)
  })

  test('says no to a check that hangs', async () => {
    const { api } = setUp({}, { checks: { database: () => new Promise<void>(() => undefined) } })
    const reply = await api.app.inject('/readyz')
    expect(reply.json<Problem>().detail).toBe('database: no answer within 2000 ms')
  })
})

describe('the documents', () => {
  test('OpenAPI names every route, with every reply', async () => {
    const { api } = setUp()
    const document = (await api.app.inject('/openapi.json')).json()
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/v1/{project_id}/provision-requests/{request_id}',
        '/v1/{project_id}/provision-requests',
        '/v1/{project_id}/provision-requests/{request_id}/history',
        '/v1/{project_id}/instances/{instance_id}',
        '/healthz',
        '/readyz',
        '/metrics',
      ]),
    )
    const text = JSON.stringify(document)
    const referenced = new Set([...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name))
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([...referenced]))
    const status = document.paths['/v1/{project_id}/provision-requests/{request_id}'].get
    expect(Object.keys(status.responses)).toEqual(['200', '400', '404', '503'])
  })

  test('the page for people loads everything from here, under a policy that allows no more', async () => {
    const { api } = setUp()
    const page = await api.app.inject('/docs')
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-security-policy']).toContain("default-src 'none'; script-src 'self';")
    const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '')
    expect(links.length).toBeGreaterThan(4)
    for (const link of links) {
      expect(link).toMatch(/^\/docs\//)
      expect((await api.app.inject(link)).statusCode, link).toBe(200)
    }
    expect(page.body).not.toMatch(/<script>|onload=/)
  })

  test('other replies may run nothing, and are not stored', async () => {
    const { api } = setUp()
    const { headers } = await api.app.inject(PATH)
    expect(headers).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    })
  })

  test('metrics are Prometheus text, by route and not by id', async () => {
    const { api } = setUp()
    await api.app.inject(PATH)
    await api.app.inject('/nowhere/at/all')
    const reply = await api.app.inject('/metrics')
    expect(reply.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
    expect(reply.body).toContain(
      'provisioner_http_requests_total{route="/v1/:project_id/provision-requests/:request_id",method="GET",status="200"} 1',
    )
    expect(reply.body).toContain(
      'provisioner_http_requests_total{route="unknown",method="GET",status="404"} 1',
    )
    expect(reply.body).not.toContain('order-1')
  })
})

describe('a wait', () => {
  test('ends at once when the state is another already, or terminal, or the time is none', async () => {
    const { api, world } = setUp()
    expect((await api.app.inject(`${PATH}?wait=60s&since=dispatching`)).json().state).toBe('queued')
    expect((await api.app.inject(`${PATH}?wait=0s`)).json().state).toBe('queued')
    world.state = 'failed'
    expect((await api.app.inject(`${PATH}?wait=60s&since=failed`)).json().state).toBe('failed')
    expect(world.statesAsked).toEqual([])
  })

  test('holds the reply until the state changes', async () => {
    const { api, watcher, world } = setUp()
    await api.start()
    const reply = fetch(`${api.url()}${PATH}?wait=60s&since=queued`)
    await eventually(() => expect(watcher.size()).toBe(1))
    world.state = 'dispatching'
    watcher.notify(['p/order-1'])
    expect(await (await reply).json()).toMatchObject({ state: 'dispatching' })
    expect(watcher.size()).toBe(0)
  })

  test('goes on when the state has changed back before it was read', async () => {
    const { world, reads } = createOneRequestReads()
    let flickers = 1
    const { api, watcher } = createApi({
      ...reads,
      states: async (ids) => {
        const seen = await reads.states(ids)
        if (flickers > 0) seen.set(ROW_ID, 'dispatching')
        flickers -= 1
        return seen
      },
    })
    await api.start()
    const reply = fetch(`${api.url()}${PATH}?wait=60s`)
    await eventually(() => expect(world.statusReads).toBeGreaterThanOrEqual(2))
    await eventually(() => expect(watcher.size()).toBe(1))
    world.state = 'running'
    expect(await (await reply).json()).toMatchObject({ state: 'running' })
  })

  test('answers with the state as it is when the time is over', async () => {
    const { api } = setUp()
    expect((await api.app.inject(`${PATH}?wait=1ms`)).json().state).toBe('queued')
  })

  test('is given up when the client goes', async () => {
    const { api, watcher, metrics } = setUp()
    await api.start()
    const client = new AbortController()
    const reply = fetch(`${api.url()}${PATH}?wait=60s`, { signal: client.signal })
    await eventually(() => expect(watcher.size()).toBe(1))
    expect(await metrics.registry.metrics()).toContain('provisioner_http_waiters 1')
    client.abort()
    await expect(reply).rejects.toThrow()
    await eventually(() => expect(watcher.size()).toBe(0))
  })
})

describe('a stop', () => {
  test('answers those who wait, and ends', async () => {
    const { api, watcher } = setUp()
    await api.start()
    const replies = [1, 2, 3].map(() => fetch(`${api.url()}${PATH}?wait=60s`))
    await eventually(() => expect(watcher.size()).toBe(3))
    await api.stop()
    for (const reply of await Promise.all(replies)) {
      expect(reply.headers.get('connection')).toBe('close')
      expect(await reply.json()).toMatchObject({ state: 'queued' })
    }
  })

  test('says not ready first, on connections that then close', async () => {
    const { api } = setUp({}, { drainMs: 2000, checks: { database: () => undefined } })
    await api.start()
    const url = `${api.url()}/readyz`
    expect((await fetch(url)).status).toBe(200)
    void api.stop()
    const reply = await fetch(url)
    expect([reply.status, reply.headers.get('connection')]).toEqual([503, 'close'])
    expect(await reply.json()).toMatchObject({ errors: [{ path: 'process', message: 'is stopping' }] })
  })

  test('does not wait for clients that keep connections open, say nothing, or stop half-way', async () => {
    const { api } = setUp({}, { closeMs: 100 })
    await api.start()
    await fetch(`${api.url()}/healthz`, { keepalive: true })
    const { hostname, port } = new URL(api.url())
    const silent = connect(Number(port), hostname)
    const half = connect(Number(port), hostname)
    half.write('POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
    const ended = [silent, half].map(
      (socket) => new Promise((resolve) => socket.on('close', resolve).on('error', resolve).resume()),
    )
    await new Promise((resolve) => silent.on('connect', resolve))
    await api.stop()
    await Promise.all(ended)
  })

  test('may come before the start, and twice', async () => {
    const { api } = setUp()
    await Promise.all([api.stop(), api.stop()])
    await api.start()
    expect(api.app.server.listening).toBe(false)
    const other = setUp()
    await Promise.all([other.api.start(), other.api.stop()])
    expect(other.api.app.server.listening).toBe(false)
  })

  test('follows a start that failed', async () => {
    const first = setUp()
    await first.api.start()
    const { reads } = createOneRequestReads()
    const second = createApi(reads)
    Object.assign(second.api.app, { listen: () => Promise.reject(new Error('address in use')) })
    await expect(second.api.start()).rejects.toThrow('address in use')
    await second.api.stop()
  })
})
