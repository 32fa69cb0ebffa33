import { connect } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isForeignHost, isForeignPage, mayChange, type Origins } from '../../src/access/foreign.ts'
import { REQUEST_PATH, setUpApi } from '../support/api-world.ts'

const asked = (changes: Partial<Origins> = {}): Origins => ({
  method: 'GET',
  route: '/metrics',
  host: '127.0.0.1:8080',
  secFetchSite: undefined,
  secFetchMode: undefined,
  secFetchDest: undefined,
  origin: undefined,
  ...changes,
})

describe('a host is', () => {
  const OWN = new Set(['api.example.com'])

  test.each([
    '127.0.0.1',
    '127.0.0.1:8080',
    '10.1.2.3:80',
    '[::1]',
    '[::1]:8080',
    'localhost',
    'LOCALHOST:8080',
    'api.example.com',
    'API.Example.Com:443',
  ])('its own: %s', (host) => {
    expect(isForeignHost(asked({ host }), OWN)).toBe(false)
  })

  test.each([
    'evil.example',
    'evil.example:8080',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'api.example.com.evil.example',
    'localhost.',
    'api.example.com.',
    '[evil.example]',
    'localhost:8080:8080',
    'localhost@evil.example',
    '0x7f.1',
    '2130706433',
    '',
  ])('foreign: %j', (host) => {
    expect(isForeignHost(asked({ host }), OWN)).toBe(true)
  })

  test('whatever it is for a probe', () => {
    for (const route of ['/healthz', '/readyz'])
      expect(isForeignHost(asked({ host: 'evil.example', route }), OWN)).toBe(false)
  })

  test('foreign unless it is known, for any text', () => {
    fc.assert(
      fc.property(fc.domain(), (host) => {
        expect(isForeignHost(asked({ host }), OWN)).toBe(!OWN.has(host.toLowerCase()))
      }),
    )
  })
})

describe('a page', () => {
  const LINK = { secFetchSite: 'cross-site', secFetchMode: 'navigate', secFetchDest: 'document' }

  test('of ours may ask, and so may whoever is no page', () => {
    for (const secFetchSite of ['same-origin', 'none', undefined])
      expect(isForeignPage(asked({ secFetchSite }))).toBe(false)
  })

  test('of another site may not, however it asks', () => {
    const text = (...values: string[]) => fc.constantFrom(undefined, ...values)
    const anyRequest = fc.record({
      method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT'),
      route: fc.constantFrom(
        '/metrics',
        '/v1/:project_id/provision-requests',
        '/consoles',
        '/docsx',
        undefined,
      ),
      secFetchSite: fc.constantFrom('cross-site', 'same-site'),
      secFetchMode: text('navigate', 'cors', 'no-cors', 'websocket'),
      secFetchDest: text('document', 'iframe', 'image', 'empty'),
    })
    fc.assert(
      fc.property(anyRequest, (request) => {
        expect(isForeignPage(asked(request))).toBe(true)
      }),
    )
  })

  test('of another site may link to our pages, and do no more with them', () => {
    for (const route of ['/docs', '/docs/', '/console', '/console/*']) {
      expect(isForeignPage(asked({ ...LINK, route }))).toBe(false)
      expect(isForeignPage(asked({ ...LINK, route, secFetchSite: 'same-site' }))).toBe(false)
      expect(isForeignPage(asked({ ...LINK, route, secFetchDest: 'iframe' }))).toBe(true)
      expect(isForeignPage(asked({ ...LINK, route, secFetchMode: 'cors' }))).toBe(true)
      expect(isForeignPage(asked({ ...LINK, route, method: 'POST' }))).toBe(true)
    }
  })
})

describe('a change with the cookie', () => {
  test.each<[boolean, Partial<Origins>]>([
    [true, { secFetchSite: 'same-origin' }],
    [true, { secFetchSite: 'same-origin', origin: 'null' }],
    [true, { origin: 'http://127.0.0.1:8080' }],
    [true, { origin: 'https://api.example.com', host: 'API.example.com' }],
    [false, {}],
    [false, { secFetchSite: 'none' }],
    [false, { secFetchSite: 'none', origin: 'http://127.0.0.1:8080' }],
    [false, { secFetchSite: 'same-site' }],
    [false, { origin: 'null' }],
    [false, { origin: 'http://127.0.0.1' }],
    [false, { origin: 'http://evil.example' }],
    [false, { origin: 'http://127.0.0.1:8080.evil.example' }],
    [false, { origin: '', host: '' }],
  ])('is allowed (%s) with %j', (allowed, changes) => {
    for (const method of ['POST', 'DELETE', 'PUT', 'PATCH'])
      expect(mayChange(asked({ method, ...changes }))).toBe(allowed)
    expect(mayChange(asked({ method: 'GET', ...changes }))).toBe(true)
  })
})

/** The status line's code for a request written by hand. */
async function statusOf(url: string, lines: string[]): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write([...lines, 'connection: close', '', ''].join('\r\n'))
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
}

describe('the API', () => {
  test('on a loopback address answers no name but localhost and those of API_HOSTS', async () => {
    const { api } = setUpApi({}, { hosts: ['API.example.com'] })
    await api.start()
    const ask = (path: string, host: string) => statusOf(api.url(), [`GET ${path} HTTP/1.1`, `host: ${host}`])
    expect(await ask(REQUEST_PATH, 'rebound.example:8080')).toBe(403)
    expect(await ask('/docs', 'rebound.example')).toBe(403)
    expect(await ask('/healthz', 'rebound.example')).toBe(200)
    expect(await ask(REQUEST_PATH, 'localhost')).toBe(200)
    expect(await ask(REQUEST_PATH, 'api.example.com')).toBe(200)
    expect(await statusOf(api.url(), [`GET ${REQUEST_PATH} HTTP/1.0`])).toBe(403)
  })

  test('elsewhere answers any name, unless API_HOSTS is set', async () => {
    const anywhere = setUpApi({}, { host: '0.0.0.0' }).api.app
    const named = setUpApi({}, { host: '0.0.0.0', hosts: ['api.example.com'] }).api.app
    const headers = { host: 'other.example' }
    expect((await anywhere.inject({ url: REQUEST_PATH, headers })).statusCode).toBe(200)
    expect((await named.inject({ url: REQUEST_PATH, headers })).statusCode).toBe(403)
  })

  test('refuses pages of other sites', async () => {
    const { api } = setUpApi()
    const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
    const reply = await api.app.inject({ url: REQUEST_PATH, headers })
    expect([reply.statusCode, reply.json<{ code: string }>().code]).toEqual([403, 'foreign_page'])
    const cancel = await api.app.inject({ method: 'POST', url: `${REQUEST_PATH}/cancel`, headers })
    expect(cancel.statusCode).toBe(403)
    expect((await api.app.inject({ url: '/docs', headers })).statusCode).toBe(403)
    const link = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    }
    expect((await api.app.inject({ url: '/docs', headers: link })).statusCode).toBe(200)
  })

  test('believes forwarded headers of its proxies alone', async () => {
    const forwarded = { 'x-forwarded-host': 'api.example.com' }
    const options = { hosts: ['api.example.com'] }
    const ask = (trustedProxies: string[], headers: Record<string, string>) =>
      setUpApi({}, { ...options, trustedProxies }).api.app.inject({ url: REQUEST_PATH, headers })
    const from = { host: 'rebound.example', ...forwarded }
    expect((await ask([], from)).statusCode).toBe(403)
    expect((await ask(['10.0.0.0/8'], from)).statusCode).toBe(403)
    expect((await ask(['127.0.0.1/32'], from)).statusCode).toBe(200)
    expect((await ask(['127.0.0.1/32'], { 'x-forwarded-host': 'evil.example' })).statusCode).toBe(403)
  })
})
