import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Credential } from '../../src/clouddc/auth/credentials.ts'
import { signatureOf } from '../../src/clouddc/auth/signing.ts'
import { createIamWorld, endsIn, headersFor, type IamWorld, keysAnswer, token } from '../support/iam-world.ts'
import { answer, hangUp } from '../support/scripted-clouddc.ts'

const CANARY = 'Canary-"7"&8'
const PASSWORD: Credential = { kind: 'password', user: 'u', password: CANARY, domain: 'acc' }
const KEYS: Credential = {
  kind: 'aksk',
  accessKey: { value: 'AK' },
  secretKey: { value: 'Canary-secret' },
  securityToken: null,
}

let world: IamWorld

beforeEach(async () => {
  world = await createIamWorld()
})

afterEach(() => world.close())

describe('a token by password', () => {
  it('is asked for once for each project, by all who wait', async () => {
    world.iam.setScript(token)
    const auth = world.authOf({ main: PASSWORD })
    const projects = ['p1', 'p2', 'p1', 'p2', 'p1']
    const headers = await Promise.all(projects.map((project) => headersFor(auth, project)))
    expect(headers.map((one) => one['X-Auth-Token'])).toEqual(
      projects.map((project) => `token-of-${project}`),
    )
    expect(world.iam.arrivals).toHaveLength(2)
    const [first] = world.iam.arrivals
    expect(first).toMatchObject({ method: 'POST', path: '/iam/v3/auth/tokens?nocatalog=true' })
    expect(JSON.parse(first?.body ?? '')).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'u', password: CANARY, domain: { name: 'acc' } } },
        },
        scope: { project: { id: 'p1' } },
      },
    })
  })

  it('at most two are asked for at once', async () => {
    const auth = world.authOf({ main: PASSWORD })
    const held: (() => void)[] = []
    world.iam.setScript((socket, arrival) => void held.push(() => token(socket, arrival)))
    const all = Promise.all(['p1', 'p2', 'p3', 'p4', 'p5'].map((project) => headersFor(auth, project)))
    for (let arrived = 2; arrived <= 5; arrived += 1) {
      await world.iam.arrived(arrived)
      expect(held.length).toBeLessThanOrEqual(2)
      held.shift()?.()
    }
    held.shift()?.()
    expect(await all).toHaveLength(5)
  })

  it('of another project is not used', async () => {
    const body = { token: { expires_at: endsIn(60), project: { id: 'p9' } } }
    world.iam.setScript(answer(201, body, { 'X-Subject-Token': 'Canary-token' }))
    const fault = await headersFor(world.authOf({ main: PASSWORD })).catch(String)
    expect(fault).toContain('of another project')
    expect(fault).not.toContain('Canary')
  })

  it.each([
    ['a wrong password', 401, { error: { code: 401, message: `The password ${CANARY} is wrong.` } }],
    ['a quotation', 400, `{"auth":{"password":${JSON.stringify(CANARY)}}}`],
    ['a redirect', 307, ''],
    ['another success', 200, { token: { expires_at: endsIn(60) } }],
    ['no token', 201, { token: { expires_at: endsIn(60), project: { id: 'p1' } } }],
  ])('is not had by %s; the secret is told nowhere, and IAM is left in peace', async (_, status, body) => {
    world.iam.setScript(answer(status, body, { Location: `${world.cloud.endpoint}/else` }))
    const auth = world.authOf({ main: PASSWORD })
    const client = world.client(auth)
    const first = await client.batchCreate({ projectId: 'p1', body: '{}' })
    expect(first).toMatchObject({ kind: 'no_response', requestStarted: false, code: 'NO_CREDENTIAL' })
    await client.batchCreate({ projectId: 'p1', body: '{}' })
    expect(world.iam.arrivals).toHaveLength(1)
    expect(world.cloud.arrivals).toHaveLength(0)
    const told = world.log() + JSON.stringify(first)
    expect(told).toContain('main')
    expect(told).not.toContain('Canary')
  })

  it('of which IAM says 401 is asked for no other project either', async () => {
    world.iam.setScript(answer(401, { error: { code: 401, message: 'The username or password is wrong.' } }))
    const auth = world.authOf({ main: PASSWORD })
    for (const project of ['p1', 'p2', 'p3']) await expect(headersFor(auth, project)).rejects.toThrow('401')
    expect(world.iam.arrivals).toHaveLength(1)
  })

  it('cannot be had while IAM hangs up, in words that say so', async () => {
    world.iam.setScript(hangUp)
    await expect(headersFor(world.authOf({ main: PASSWORD }))).rejects.toThrow('credential main: no answer')
  })
})

describe('an agency', () => {
  const AGENCY: Credential = { kind: 'agency', of: 'base', domain: 'other', agency: 'orders' }
  const ASSUMED = { domain_name: 'other', agency_name: 'orders' }

  it('of a password is a token of the agency by a token of the account', async () => {
    world.iam.setScript(token)
    const auth = world.authOf({ base: PASSWORD, main: AGENCY })
    const headers = await Promise.all([
      headersFor(auth, 'p1'),
      headersFor(auth, 'p2'),
      headersFor(auth, 'p3'),
    ])
    expect(headers.map((one) => one['X-Auth-Token'])).toEqual(['token-of-p1', 'token-of-p2', 'token-of-p3'])
    expect(world.iam.arrivals).toHaveLength(4)
    const [own, assumed] = world.iam.arrivals.map(({ body }) => JSON.parse(body))
    expect(own.auth.scope).toEqual({ domain: { name: 'acc' } })
    expect(assumed.auth.identity).toEqual({ methods: ['assume_role'], assume_role: ASSUMED })
    expect(world.iam.arrivals[1]?.headers['x-auth-token']).toBe('token-of-acc')
  })

  it('is asked for with the account of the keys, signed, where that is known', async () => {
    world.iam.setScript(answer(201, keysAnswer()))
    await headersFor(world.authOf({ base: { ...KEYS, domainId: 'account-1' }, main: AGENCY }))
    const { headers = {} } = world.iam.arrivals[0] ?? {}
    expect(headers['x-domain-id']).toBe('account-1')
    expect(headers.authorization).toContain('SignedHeaders=content-type;host;x-domain-id;x-sdk-date,')
    expect(headers).not.toHaveProperty('x-project-id')
  })

  it('of keys is temporary keys, asked for by a signed call', async () => {
    world.iam.setScript(answer(201, keysAnswer()))
    const headers = await headersFor(world.authOf({ base: KEYS, main: AGENCY }))
    expect(headers).toMatchObject({ 'X-Security-Token': 'Canary-st', 'X-Project-Id': 'p1' })
    expect(headers.Authorization).toContain('Access=TMPAK,')
    const [arrival] = world.iam.arrivals
    if (arrival === undefined) throw new Error('nothing arrived')
    expect(arrival.path).toBe('/iam/v3.0/OS-CREDENTIAL/securitytokens')
    expect(JSON.parse(arrival.body).auth.identity.assume_role).toEqual({ ...ASSUMED, duration_seconds: 3600 })
    const names = ['content-type', 'host', 'x-sdk-date']
    const signed = signatureOf(
      {
        method: 'POST',
        path: arrival.path,
        query: [],
        headers: Object.fromEntries(names.map((name) => [name, arrival.headers[name] ?? ''])),
        body: Buffer.from(arrival.body),
      },
      { accessKey: 'AK', secretKey: 'Canary-secret' },
    )
    expect(arrival.headers.authorization).toBe(signed)
    expect(arrival.headers).not.toHaveProperty('x-project-id')
  })
})

it('by OIDC the token is asked for with the id token that the file holds now', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clouddc-oidc-'))
  const idTokenFile = join(folder, 'jwt')
  await writeFile(idTokenFile, 'first.jwt\n')
  world.iam.setScript(token)
  const auth = world.authOf({ main: { kind: 'oidc', idpId: 'cluster', idTokenFile } })
  expect(await headersFor(auth)).toEqual({ 'X-Auth-Token': 'token-of-p1' })
  await writeFile(idTokenFile, 'second.jwt')
  await headersFor(auth, 'p2')
  expect(world.iam.arrivals.map(({ path, headers }) => [path, headers['x-idp-id']])).toEqual([
    ['/iam/v3.0/OS-AUTH/id-token/tokens', 'cluster'],
    ['/iam/v3.0/OS-AUTH/id-token/tokens', 'cluster'],
  ])
  expect(world.iam.arrivals.map(({ body }) => JSON.parse(body).auth.id_token.id)).toEqual([
    'first.jwt',
    'second.jwt',
  ])
  await rm(folder, { recursive: true })
})

describe('the metadata service', () => {
  const metadata = (): Record<string, Credential> => ({
    main: { kind: 'metadata', endpoint: world.iam.endpoint },
  })

  it('gives keys by a session', async () => {
    world.iam.setScript((socket, arrival) =>
      answer(200, arrival.method === 'PUT' ? 'session-1' : keysAnswer())(socket, arrival),
    )
    const auth = world.authOf(metadata())
    expect((await headersFor(auth)).Authorization).toContain('Access=TMPAK,')
    await headersFor(auth, 'p2')
    expect(world.iam.arrivals.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'PUT /meta-data/latest/api/token',
      'GET /openstack/latest/securitykey',
    ])
    expect(world.iam.arrivals[0]?.headers['x-metadata-token-ttl-seconds']).toBe('21600')
    expect(world.iam.arrivals[1]?.headers['x-metadata-token']).toBe('session-1')
  })

  it('without sessions gives them all the same', async () => {
    world.iam.setScript((socket, arrival) =>
      answer(arrival.method === 'PUT' ? 405 : 200, arrival.method === 'PUT' ? '' : keysAnswer())(
        socket,
        arrival,
      ),
    )
    expect(await headersFor(world.authOf(metadata()))).toMatchObject({ 'X-Security-Token': 'Canary-st' })
    expect(world.iam.arrivals[1]?.headers).not.toHaveProperty('x-metadata-token')
  })

  it('is asked once more when the session is over, but not when there is no agency', async () => {
    const refuse = (words: string) => {
      world.iam.setScript((socket, arrival) =>
        answer(arrival.method === 'PUT' ? 200 : 401, arrival.method === 'PUT' ? 's' : words)(socket, arrival),
      )
    }
    refuse('unauthorized')
    await expect(headersFor(world.authOf(metadata()))).rejects.toThrow('401')
    expect(world.iam.arrivals).toHaveLength(4)
    refuse('Please configure Cloud Service Agency first')
    await expect(headersFor(world.authOf(metadata()))).rejects.toThrow('has no agency')
    expect(world.iam.arrivals).toHaveLength(6)
  })
})
