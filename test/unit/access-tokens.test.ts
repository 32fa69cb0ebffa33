import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { accessBy, bearer } from '../support/access.ts'
import { REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'
import { makeKey, type SigningKey, signToken, startIdentityProvider } from '../support/identity-provider.ts'

let key: SigningKey
beforeAll(async () => {
  key = await makeKey('key-1')
})

const second = () => Math.floor(Date.now() / 1000)
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The API on a real socket, and an issuer that serves its keys on another. */
async function setUp(issuer: object = {}, now?: () => number) {
  const provider = await startIdentityProvider([key])
  const issuers = [
    { issuer: provider.issuer, audience: 'provisioner', jwks_url: provider.jwksUrl, ...issuer },
  ]
  const { api } = setUpApi({}, { access: accessBy({ issuers }, now) })
  await api.start()
  const ask = async (token: string, path = REQUEST_PATH) => {
    const reply = await fetch(api.url() + path, { headers: bearer(token) })
    await reply.text()
    return reply.status
  }
  return { provider, ask }
}

describe('a signed token', () => {
  test('lets its subject in, with its roles and projects', async () => {
    const { ask, provider } = await setUp()
    const token = await signToken(key)
    expect(await ask(token)).toBe(200)
    expect(await ask(token, '/v1/q/provision-requests')).toBe(403)
    expect(await ask(token, '/metrics')).toBe(403)
    expect(await ask(await signToken(key, { claims: { projects: '*' } }), '/v1/q/provision-requests')).toBe(
      200,
    )
    expect(provider.fetches()).toBe(1)
  })

  test.each<[string, Record<string, unknown>]>([
    ['no roles', { roles: undefined }],
    ['roles that are no list', { roles: { read: true } }],
    ['roles of another service', { roles: ['admin', 'Read', '*'] }],
    ['no projects', { projects: undefined }],
    ['projects that are no list', { projects: { p: true } }],
    ['other projects', { projects: ['P', 'p1', 'pp'] }],
  ])('with %s may nothing', async (_what, claims) => {
    const { ask } = await setUp()
    expect(await ask(await signToken(key, { claims }))).toBe(403)
  })

  test('has its roles and projects where the access file says', async () => {
    const { ask } = await setUp({
      roles_claim: 'realm_access.roles',
      projects_claim: 'https://x.example/projects',
    })
    const claims = { realm_access: { roles: ['read'] }, 'https://x.example/projects': 'o p' }
    expect(await ask(await signToken(key, { claims }))).toBe(200)
    expect(await ask(await signToken(key))).toBe(403)
  })

  test.each(['RS256', 'PS512', 'ES384', 'EdDSA'])('may be signed by %s', async (alg) => {
    const { ask, provider } = await setUp()
    const other = await makeKey('key-2', alg)
    provider.serve([key, other])
    expect(await ask(await signToken(other))).toBe(200)
  })
})

describe('a token is refused', () => {
  const CLAIMS: [string, () => Record<string, unknown>][] = [
    ['for another audience', () => ({ aud: 'billing' })],
    ['for no audience', () => ({ aud: undefined })],
    ['of another issuer', () => ({ iss: 'https://idp.example.evil' })],
    ['of no issuer', () => ({ iss: undefined })],
    ['that is over', () => ({ exp: second() - 1 })],
    ['that never ends', () => ({ exp: undefined })],
    ['that is not valid yet', () => ({ nbf: second() + 60 })],
    ['that was issued in the future', () => ({ iat: second() + 60 })],
    ['that names nobody', () => ({ sub: undefined })],
    ['of a subject that no header or log could carry', () => ({ sub: 'a\nb' })],
  ]
  test.each(CLAIMS)('%s', async (_what, claims) => {
    const { ask } = await setUp()
    expect(await ask(await signToken(key, { claims: claims() }))).toBe(401)
    expect(await ask(await signToken(key))).toBe(200)
  })

  test('that is not signed at all', async () => {
    const { ask } = await setUp()
    const [, payload] = (await signToken(key)).split('.')
    for (const alg of ['none', 'None', 'NONE', '']) {
      const header = encode({ alg, kid: 'key-1' })
      expect(await ask(`${header}.${payload}.`)).toBe(401)
      expect(await ask(`${header}.${payload}.AA`)).toBe(401)
    }
  })

  test('that is signed with the public key as if it were a shared secret', async () => {
    const rsa = await makeKey('rsa', 'RS256')
    const { ask, provider } = await setUp()
    provider.serve([rsa])
    const [, payload] = (await signToken(rsa)).split('.')
    const head = `${encode({ alg: 'HS256', kid: 'rsa', typ: 'JWT' })}.${payload}`
    const pem = await exportSPKI(rsa.publicKey)
    for (const secret of [pem, pem.trim(), JSON.stringify(rsa.jwk), rsa.jwk.n ?? '']) {
      const signature = createHmac('sha256', secret).update(head).digest('base64url')
      expect(await ask(`${head}.${signature}`)).toBe(401)
    }
  })

  test('that brings its own key, or the address of one', async () => {
    const { ask } = await setUp()
    const own = await makeKey('key-1')
    const evil = await startIdentityProvider([own])
    for (const header of [{ jwk: own.jwk }, { jku: evil.jwksUrl }, { x5u: evil.jwksUrl }, {}]) {
      expect(await ask(await signToken(own, { header }))).toBe(401)
    }
    expect(evil.fetches()).toBe(0)
  })

  test.each([
    '../../../../dev/null',
    '/dev/null',
    'key-1\0',
    "' OR 1=1 --",
    'http://127.0.0.1/keys',
    '__proto__',
  ])('whose key id is %j', async (kid) => {
    const { ask } = await setUp()
    // As if the named file, which is empty, were a shared secret.
    const shared = await new SignJWT({
      iss: 'https://idp.example',
      aud: 'provisioner',
      sub: 'a',
      exp: second() + 60,
    })
      .setProtectedHeader({ alg: 'HS256', kid })
      .sign(Buffer.alloc(32))
    expect(await ask(shared)).toBe(401)
    expect(await ask(await signToken(key, { header: { kid } }))).toBe(401)
  })

  test('that was changed after it was signed, or is no token', async () => {
    const { ask } = await setUp()
    const [header, payload = '', signature] = (await signToken(key)).split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    expect(await ask(`${header}.${encode({ ...claims, projects: '*' })}.${signature}`)).toBe(401)
    for (const text of ['..', 'a.b.c', `${header}.${payload}`, `${header}.${payload}.`, 'x'.repeat(8000)]) {
      expect(await ask(text)).toBe(401)
    }
  })

  test('with a header that must be understood, and is not', async () => {
    const { ask } = await setUp()
    const { privateKey } = await generateKeyPair('ES256')
    const token = await signToken({ ...key, privateKey }, {})
    expect(await ask(token)).toBe(401)
    const [, payload, signature] = (await signToken(key)).split('.')
    expect(
      await ask(`${encode({ alg: 'ES256', kid: 'key-1', crit: ['x'], x: 1 })}.${payload}.${signature}`),
    ).toBe(401)
  })
})

describe('the keys of an issuer', () => {
  test('are fetched again for a key that is not known, and those taken away are not believed', async () => {
    let ahead = 0
    const { ask, provider } = await setUp({}, () => Date.now() + ahead)
    const old = await signToken(key)
    expect(await ask(old)).toBe(200)
    const next = await makeKey('key-2')
    provider.serve([next])
    const renewed = await signToken(next)
    await eventually(async () => expect(await ask(renewed)).toBe(200))
    // Past the time for which a good token is believed without another look.
    ahead = 15_000
    expect(await ask(old)).toBe(401)
    expect(await ask(renewed)).toBe(200)
  })

  test('are not fetched for every token that names an unknown key', async () => {
    const { ask, provider } = await setUp()
    const other = await makeKey('key-2')
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, n) => signToken(other, { header: { kid: `key-${n + 2}` } })),
    )
    const startedAt = performance.now()
    for (const token of tokens) expect(await ask(token)).toBe(401)
    expect(provider.fetches()).toBeLessThanOrEqual(2 + (performance.now() - startedAt) / 1000)
  })

  test('that cannot be had make tokens wait, and keys go on', async () => {
    const provider = await startIdentityProvider([key])
    provider.serve(null)
    const issuers = [{ issuer: provider.issuer, audience: 'provisioner', jwks_url: provider.jwksUrl }]
    const { api } = setUpApi({}, { access: accessBy({ issuers, keys: [{ key: 'a-key' }] }) })
    const token = await signToken(key)
    const ask = (credential: string) => api.app.inject({ url: REQUEST_PATH, headers: bearer(credential) })
    const reply = await ask(token)
    expect([reply.statusCode, reply.headers['retry-after']]).toEqual([503, '1'])
    expect(reply.json()).toMatchObject({ code: 'keys_unavailable' })
    expect((await ask('a-key')).statusCode).toBe(200)
    provider.serve([key])
    expect((await ask(token)).statusCode).toBe(200)
    provider.serve(null)
    expect((await ask(await signToken(key))).statusCode).toBe(200)
  })

  test('may come from a file, which is followed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jwks-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'keys.json')
    const write = (...keys: SigningKey[]) =>
      writeFileSync(path, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
    write(key)
    const { ask } = await setUp({ jwks_file: path, jwks_url: null })
    expect(await ask(await signToken(key))).toBe(200)
    const next = await makeKey('key-2')
    write(next)
    const token = await signToken(next)
    await eventually(async () => expect(await ask(token)).toBe(200))
    expect(await ask(await signToken(key))).toBe(401)
    writeFileSync(path, '{')
    await eventually(async () => expect(await ask(await signToken(next))).toBe(200))
  })
})
