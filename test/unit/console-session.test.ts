import { pino } from 'pino'
import { beforeAll, describe, expect, test } from 'vitest'
import { createAccess } from '../../src/access/access.ts'
import { type AccessRules, parseAccessFile } from '../../src/access/access-file.ts'
import { createSealer } from '../../src/secrets/seal.ts'
import { accessFile, bearer, TEST_SEALER, type TestKey } from '../support/access.ts'
import { REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { makeKey, type SigningKey, signToken, startIdentityProvider } from '../support/identity-provider.ts'

const HOUR_MS = 3_600_000
const OPERATOR: TestKey = { id: 'ann', key: 'ann-key', roles: ['read', 'cancel'], projects: ['p'] }
const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }

let signingKey: SigningKey
beforeAll(async () => {
  signingKey = await makeKey('key-1')
})

/** Replicas that share an access file, which the test changes, and a clock, which it moves. */
function setUp(content: Parameters<typeof accessFile>[0] = { keys: [OPERATOR] }) {
  const world = { rules: parseAccessFile(accessFile(content)), ahead: 0 }
  const replica = (sealer = TEST_SEALER, trustedProxies: string[] = []) => {
    const access = createAccess({
      rules: async (): Promise<AccessRules> => world.rules,
      sealer,
      logger: pino({ level: 'silent' }),
      now: () => Date.now() + world.ahead,
    })
    return setUpApi({}, { access, trustedProxies }).api.app
  }
  const app = replica()
  const signIn = async (credential: string, headers: Record<string, string> = {}, at = app) => {
    const reply = await at.inject({
      method: 'POST',
      url: '/console/session',
      headers: { ...bearer(credential), ...headers },
    })
    const [set = ''] = [reply.headers['set-cookie'] ?? ''].flat()
    return { reply, set, cookie: set.split(';')[0] ?? '' }
  }
  const get = async (cookie: string, at = app, url = REQUEST_PATH) =>
    (await at.inject({ url, headers: { cookie } })).statusCode
  const change = (content: Parameters<typeof accessFile>[0]) => {
    world.rules = parseAccessFile(accessFile(content))
  }
  return { world, app, replica, signIn, get, change }
}

describe('a session', () => {
  test('begins with a key, and does what the key may', async () => {
    const { signIn, get, app } = setUp()
    const { reply, set, cookie } = await signIn('ann-key')
    expect(reply.statusCode).toBe(200)
    expect(reply.json()).toMatchObject({ id: 'key:ann', roles: ['read', 'cancel'], projects: ['p'] })
    expect(set).toMatch(/; Max-Age=\d+/)
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(set).toContain(attribute)
    expect(set).not.toContain('Secure')
    expect(set).not.toContain('ann')
    expect(reply.headers['cache-control']).toBe('no-store')
    expect(await get(cookie)).toBe(200)
    expect(await get(cookie, app, '/v1/q/provision-requests')).toBe(403)
    expect(await get(cookie, app, '/metrics')).toBe(403)
  })

  test('does not begin without a credential, or with a bad one', async () => {
    const { signIn, app } = setUp()
    const none = await app.inject({ method: 'POST', url: '/console/session' })
    expect([none.statusCode, none.headers['set-cookie']]).toEqual([401, undefined])
    const bad = await signIn('bob-key')
    expect([bad.reply.statusCode, bad.set]).toEqual([401, ''])
  })

  test('begins only from our own page', async () => {
    const { signIn } = setUp()
    const { reply } = await signIn('ann-key', { 'sec-fetch-site': 'cross-site' })
    expect(reply.statusCode).toBe(403)
  })

  test('is kept to this host by the browser over HTTPS', async () => {
    const { replica, signIn, get } = setUp()
    const behindProxy = replica(TEST_SEALER, ['127.0.0.1/32'])
    const { set, cookie } = await signIn('ann-key', { 'x-forwarded-proto': 'https' }, behindProxy)
    expect(set).toMatch(/^__Host-provisioner=/)
    expect(set).toContain('Secure')
    expect(await get(cookie, behindProxy)).toBe(200)
  })

  test('is valid on every replica that has the secret key', async () => {
    const { replica, signIn, get } = setUp()
    const { cookie } = await signIn('ann-key')
    expect(await get(cookie, replica())).toBe(200)
    const other = createSealer([{ id: 'other', key: Buffer.alloc(32, 6) }])
    expect(await get(cookie, replica(other))).toBe(401)
    const rotated = createSealer([
      { id: 'other', key: Buffer.alloc(32, 6) },
      { id: 'test', key: Buffer.alloc(32, 5) },
    ])
    expect(await get(cookie, replica(rotated))).toBe(200)
  })

  test('lasts 12 hours', async () => {
    const { world, signIn, get } = setUp()
    const { cookie } = await signIn('ann-key')
    world.ahead = 12 * HOUR_MS - 60_000
    expect(await get(cookie)).toBe(200)
    world.ahead = 12 * HOUR_MS + 1000
    expect(await get(cookie)).toBe(401)
  })

  test('ends with its key', async () => {
    const expires_at = new Date(Date.now() + HOUR_MS).toISOString()
    const { world, signIn, get } = setUp({ keys: [{ ...OPERATOR, expires_at }] })
    const { cookie, reply } = await signIn('ann-key')
    expect(reply.json()).toMatchObject({ expires_at })
    world.ahead = HOUR_MS - 60_000
    expect(await get(cookie)).toBe(200)
    world.ahead = HOUR_MS + 1000
    expect(await get(cookie)).toBe(401)
  })

  test('follows the access file: another key, no key, other roles', async () => {
    const { change, signIn, get } = setUp()
    const { cookie } = await signIn('ann-key')
    change({ keys: [{ ...OPERATOR, roles: ['cancel'] }] })
    expect(await get(cookie)).toBe(403)
    change({ keys: [{ ...OPERATOR, projects: ['q'] }] })
    expect(await get(cookie)).toBe(403)
    change({ keys: [{ ...OPERATOR, key: 'new-key' }] })
    expect(await get(cookie)).toBe(401)
    change({ keys: [] })
    expect(await get(cookie)).toBe(401)
    change({ keys: [OPERATOR] })
    expect(await get(cookie)).toBe(200)
  })

  test('begins with a token, ends with it, and with the trust in its issuer', async () => {
    const provider = await startIdentityProvider([signingKey])
    const issuers = [{ issuer: provider.issuer, audience: 'provisioner', jwks_url: provider.jwksUrl }]
    const { world, change, signIn, get } = setUp({ issuers })
    const { cookie, reply } = await signIn(await signToken(signingKey))
    expect(reply.json()).toMatchObject({
      id: 'token:alice of https://idp.example',
      roles: ['read'],
      projects: ['p'],
    })
    expect(await get(cookie)).toBe(200)
    change({ issuers: [] })
    expect(await get(cookie)).toBe(401)
    change({ issuers: [{ ...issuers[0], audience: 'another' }] })
    expect(await get(cookie)).toBe(401)
    change({ issuers })
    expect(await get(cookie)).toBe(200)
    world.ahead = 61_000
    expect(await get(cookie)).toBe(401)
  })

  test('tells apart those whom two issuers call the same', async () => {
    const provider = await startIdentityProvider([signingKey])
    const issuerOf = (issuer: string) => ({ issuer, audience: 'provisioner', jwks_url: provider.jwksUrl })
    const named = [provider.issuer, 'of https://idp.example']
    const { signIn } = setUp({ issuers: named.map(issuerOf) })
    const ids = await Promise.all(
      named.map(async (iss) => {
        const { reply } = await signIn(await signToken(signingKey, { claims: { iss } }))
        return reply.json<{ id: string }>().id
      }),
    )
    expect(new Set(ids).size).toBe(2)
  })

  test('does not begin when it would not fit into a cookie', async () => {
    const provider = await startIdentityProvider([signingKey])
    const issuers = [{ issuer: provider.issuer, audience: 'provisioner', jwks_url: provider.jwksUrl }]
    const { signIn } = setUp({ issuers })
    const projects = Array.from({ length: 300 }, (_, n) => `project-${n}`)
    const { reply } = await signIn(await signToken(signingKey, { claims: { projects } }))
    expect([reply.statusCode, reply.json<{ code: string }>().code]).toEqual([400, 'session_too_large'])
  })

  test('that was made up or changed is nobody', async () => {
    const { signIn, get } = setUp()
    const { cookie } = await signIn('ann-key')
    const value = cookie.split('=')[1] ?? ''
    const password = TEST_SEALER.seal('{"until":9e15,"key":"ann","sha256":""}', 'p/order-1')
    const texts = [
      '',
      'x',
      'AA',
      value.slice(0, -4),
      `${value.slice(0, -4)}AAAA`,
      password.toString('base64url'),
    ]
    for (const text of texts) expect(await get(`provisioner=${text}`), text).toBe(401)
    expect(await get(`__Host-provisioner=x; provisioner=${value}`)).toBe(401)
  })

  test('counts less than a credential in the header', async () => {
    const { app, signIn } = setUp()
    const { cookie } = await signIn('ann-key')
    const reply = await app.inject({ url: REQUEST_PATH, headers: { cookie, ...bearer('bob-key') } })
    expect(reply.statusCode).toBe(401)
  })
})

describe('a change with a session', () => {
  test.each<[number, Record<string, string>]>([
    [202, SAME_ORIGIN],
    [202, { origin: 'http://localhost', host: 'localhost' }],
    [403, {}],
    [403, { 'sec-fetch-site': 'none' }],
    [403, { 'sec-fetch-site': 'same-site' }],
    [403, { origin: 'http://evil.example' }],
    [403, { origin: 'null' }],
  ])('is answered %i with %j', async (status, headers) => {
    const { app, signIn } = setUp()
    const { cookie } = await signIn('ann-key')
    const url = `${REQUEST_PATH}/cancel`
    const reply = await app.inject({ method: 'POST', url, headers: { cookie, ...headers } })
    expect(reply.statusCode).toBe(status)
    const withKey = await app.inject({ method: 'POST', url, headers: bearer('ann-key') })
    expect(withKey.statusCode).toBe(202)
  })
})

describe('signing out', () => {
  test('takes the cookie away', async () => {
    const { app, signIn } = setUp()
    const { cookie } = await signIn('ann-key')
    const out = (headers: Record<string, string>) =>
      app.inject({ method: 'DELETE', url: '/console/session', headers: { cookie, ...headers } })
    const reply = await out(SAME_ORIGIN)
    expect([reply.statusCode, reply.headers['set-cookie']]).toEqual([
      204,
      expect.stringMatching(/^provisioner=; Max-Age=0;/),
    ])
    expect((await out({})).statusCode).toBe(403)
  })
})

describe('who has signed in', () => {
  test('is told to the page, for as long as the session is good', async () => {
    const { app, change, signIn } = setUp()
    const who = (headers: Record<string, string>) => app.inject({ url: '/console/session', headers })
    expect((await who({})).statusCode).toBe(204)
    const { cookie } = await signIn('ann-key')
    expect((await who({ cookie })).json()).toMatchObject({ id: 'key:ann', projects: ['p'] })
    change({ keys: [] })
    expect((await who({ cookie })).statusCode).toBe(204)
  })
})

describe('without an access file', () => {
  test('nobody has to sign in', async () => {
    const { api } = setUpApi()
    const reply = await api.app.inject({ method: 'POST', url: '/console/session' })
    expect(reply.json()).toMatchObject({ id: 'open', projects: '*', expires_at: null })
    expect(reply.headers['set-cookie']).toBeUndefined()
    const who = await api.app.inject('/console/session')
    expect(who.json()).toMatchObject({ id: 'open', projects: '*' })
  })
})
