import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { DatabaseUnavailableError } from '../../src/api/guarded-reads.ts'
import type { Reads } from '../../src/api/reads.ts'
import { type ProblemReply, REQUEST_PATH, ROW_ID, setUpApi } from '../support/api-world.ts'

describe('an error is a problem document', () => {
  const CASES: [string, string, string, number, string[]?][] = [
    ['an unknown path', 'GET', '/v2/p', 404],
    ['an unknown path with a body', 'POST', '/v2/p', 404],
    ['a bad project', 'GET', '/v1/a%20b/provision-requests/x', 400, ['project_id']],
    ['a bad request id', 'GET', `/v1/p/provision-requests/${'x'.repeat(129)}`, 400, ['request_id']],
    ['a NUL in an id', 'GET', '/v1/p/provision-requests/a%00b', 400, ['request_id']],
    ['a bad instance id', 'GET', '/v1/p/instances/a%0Ab', 400, ['instance_id']],
    ['a path that cannot be decoded', 'GET', '/v1/%zz/provision-requests', 400],
    ['a bad duration', 'GET', `${REQUEST_PATH}?wait=1h`, 400, ['wait']],
    ['too long a wait', 'GET', `${REQUEST_PATH}?wait=61s`, 400, ['wait']],
    ['an unknown state to differ from', 'GET', `${REQUEST_PATH}?wait=1s&since=done`, 400, ['since']],
    ['an unknown query key', 'GET', `${REQUEST_PATH}?waiting=1s`, 400, ['']],
    [
      'several faults',
      'GET',
      '/v1/p/provision-requests?state=x&limit=0&marker=y',
      400,
      ['state', 'limit', 'marker'],
    ],
    ['an unknown instance', 'GET', '/v1/p/instances/unknown', 404],
    ['an unknown history', 'GET', `${REQUEST_PATH}/history`, 404],
  ]

  test.each(CASES)('%s', async (_case, method, url, status, paths) => {
    const { api } = setUpApi()
    const reply = await api.app.inject({
      method: method as 'GET',
      url,
      ...(method === 'POST' ? { body: 'x' } : {}),
    })
    expect(reply.statusCode).toBe(status)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
    const problem = reply.json<ProblemReply>()
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
    ['DELETE', REQUEST_PATH],
    ['PUT', '/healthz'],
    ['PATCH', '/openapi.json'],
  ])('%s %s is not allowed', async (method, url) => {
    const { api } = setUpApi()
    const reply = await api.app.inject({
      method: method as 'PUT',
      url,
      body: '<x/>',
      headers: { 'content-type': 'text/xml' },
    })
    expect(reply.statusCode).toBe(405)
    expect(reply.headers.allow).toBe('GET, HEAD')
    expect(reply.json<ProblemReply>()).toMatchObject({ status: 405, code: 'method_not_allowed' })
  })

  test('an unknown request', async () => {
    const { api, world } = setUpApi()
    world.exists = false
    const reply = await api.app.inject(`${REQUEST_PATH}?wait=30s`)
    expect(reply.statusCode).toBe(404)
    expect(reply.json<ProblemReply>().detail).toContain('order-1')
  })

  test('a database that is unreachable', async () => {
    const { api, log } = setUpApi({
      list: async () => {
        throw new DatabaseUnavailableError('away', { cause: new Error('postgres://user:Canary@db') })
      },
    })
    const reply = await api.app.inject('/v1/p/provision-requests')
    expect(reply.statusCode).toBe(503)
    expect(reply.headers['retry-after']).toBe('1')
    expect(reply.json<ProblemReply>().code).toBe('database_unavailable')
    expect(log()).toContain('request could not be answered')
    expect(reply.body + log()).not.toContain('Canary')
  })

  test('a fault of ours, which is logged and not shown', async () => {
    const { api, log } = setUpApi({
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
    const { api, log } = setUpApi({
      list: async () =>
        ({ requests: [], lastId: null, tag: '', requestz: 1 }) as Awaited<ReturnType<Reads['list']>>,
      status: async () => ({ id: ROW_ID, status: { state: 'dancing' } as never, tag: '' }),
    })
    expect((await api.app.inject('/v1/p/provision-requests')).statusCode).toBe(200)
    const reply = await api.app.inject(REQUEST_PATH)
    expect(reply.statusCode).toBe(500)
    expect(reply.json<ProblemReply>().code).toBe('internal_error')
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
    const { api } = setUpApi()
    await api.start()
    const reply = await fetch(`${api.url()}${REQUEST_PATH}/cancel`, {
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
    const { api } = setUpApi()
    const reply = await api.app.inject({
      method: 'POST',
      url: `${REQUEST_PATH}/cancel`,
      body: 'x'.repeat(65_537),
    })
    expect(reply.statusCode).toBe(413)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  })
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
    const { api } = setUpApi()
    await api.start()
    const answer = await exchange(api.url(), text)
    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain('content-type: application/problem+json')
    expect(JSON.parse(body)).toMatchObject({ status })
  })
})
