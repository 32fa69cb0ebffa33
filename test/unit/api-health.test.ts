import { describe, expect, test } from 'vitest'
import { type ProblemReply, REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'

test('a process without the role api serves health and metrics only', async () => {
  const { api } = setUpApi({}, { servesRequests: false })
  expect((await api.app.inject(REQUEST_PATH)).statusCode).toBe(404)
  expect((await api.app.inject('/healthz')).statusCode).toBe(200)
  expect((await api.app.inject('/metrics')).statusCode).toBe(200)
})

describe('health', () => {
  test('is fine while the process lives, whatever else', async () => {
    const { api } = setUpApi({}, { checks: { database: () => Promise.reject(new Error('away')) } })
    const reply = await api.app.inject('/healthz')
    expect([reply.statusCode, reply.json()]).toEqual([200, { status: 'ok' }])
  })

  test('is ready when every check is content', async () => {
    const { api } = setUpApi({}, { checks: { database: async () => undefined, broker: () => undefined } })
    const reply = await api.app.inject('/readyz')
    expect([reply.statusCode, reply.json()]).toEqual([
      200,
      { status: 'ready', checks: { database: 'ok', broker: 'ok' } },
    ])
  })

  test('is not ready with the reasons, free of secrets', async () => {
    const { api, log } = setUpApi(
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
    expect(reply.json<ProblemReply>()).toMatchObject({
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
    const { api } = setUpApi(
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

  test('says yes soon after the last reason against it has gone', async () => {
    const reasons = ['not connected yet', 'still not']
    const broker = () => {
      const reason = reasons.shift()
      if (reason !== undefined) throw new Error(reason)
    }
    const { api } = setUpApi({}, { checks: { broker } })
    await eventually(async () => expect((await api.app.inject('/readyz')).statusCode).toBe(200))
    expect(reasons).toEqual([])
  })

  test('says no to a check that hangs', async () => {
    const { api } = setUpApi({}, { checks: { database: () => new Promise<void>(() => undefined) } })
    const reply = await api.app.inject('/readyz')
    expect(reply.json<ProblemReply>().detail).toBe('database: no answer within 2000 ms')
  })
})

describe('the documents', () => {
  test('OpenAPI names every route, with every reply', async () => {
    const { api } = setUpApi()
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
    expect(Object.keys(status.responses)).toEqual([
      '200',
      '304',
      '400',
      '401',
      '403',
      '404',
      '405',
      '429',
      '503',
    ])
  })

  test('the page for people loads everything from here, under a policy that allows no more', async () => {
    const { api } = setUpApi()
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

  test('other replies may run nothing, and are not stored but to be asked for again', async () => {
    const { api } = setUpApi()
    const nothingRuns = {
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
    }
    const status = await api.app.inject(REQUEST_PATH)
    expect(status.headers).toMatchObject({ ...nothingRuns, 'cache-control': 'private, no-cache' })
    const missing = await api.app.inject('/v1/p-1/nothing')
    expect(missing.headers).toMatchObject({ ...nothingRuns, 'cache-control': 'no-store' })
  })

  test('metrics are Prometheus text, by route and not by id', async () => {
    const { api } = setUpApi()
    await api.app.inject(REQUEST_PATH)
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
