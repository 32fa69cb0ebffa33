import { describe, expect, it } from 'vitest'
import { goodBody, startCaller } from './caller.ts'

const path = '/v1/p/instances'
const withToken = (token: string) => ({ 'X-Auth-Token': token })
const login = (project: object | undefined, password = 'P') => ({
  auth: {
    identity: {
      methods: ['password'],
      password: { user: { name: 'U', password, domain: { name: 'ACCOUNT' } } },
    },
    scope: project === undefined ? { domain: { name: 'ACCOUNT' } } : { project },
  },
})

describe('open by default', () => {
  it('asks for no token and takes any', async () => {
    const { call } = await startCaller()
    expect((await call('GET', path)).status).toBe(200)
    expect((await call('GET', path, undefined, withToken('anything'))).status).toBe(200)
  })

  it.each(['constructor', '__proto__', 'toString', '_', '-'])(
    'knows a project called %s',
    async (project) => {
      const { call } = await startCaller()
      expect((await call('GET', `/v1/${project}/instances`)).status).toBe(200)
    },
  )

  it('still holds its own tokens to their expiry', async () => {
    const { simulator, call, advance } = await startCaller()
    const token = simulator.tokens.issue({ lifeMs: 1000 }).value
    advance(1000)
    expect((await call('GET', path, undefined, withToken(token))).status).toBe(401)
  })
})

describe('with configured tokens', () => {
  it.each([
    ['no token', {}, 'x-auth-token not found'],
    ['an unknown token', withToken('other'), 'decrypt token fail'],
  ])('refuses %s on every call', async (_, headers, reason) => {
    const { call } = await startCaller({ authTokens: ['good'] })
    for (const [method, url] of [
      ['GET', path],
      ['POST', `${path}/batch-create`],
      ['POST', `${path}/batch-delete`],
      ['DELETE', `${path}/i`],
      ['GET', '/v1/p/physicalservers/status'],
    ] as const) {
      const { status, json } = await call(method, url, undefined, headers)
      expect(status).toBe(401)
      expect(json.error_code).toBe('APIGW.0301')
      expect(json.error_msg).toBe(`Incorrect IAM authentication information: ${reason}`)
    }
  })

  it('takes each of them', async () => {
    const { call } = await startCaller({ authTokens: ['good', 'fine'] })
    expect((await call('GET', path, undefined, withToken('good'))).status).toBe(200)
    expect((await call('GET', path, undefined, withToken('fine'))).status).toBe(200)
  })

  it('creates nothing without one', async () => {
    const { simulator, create } = await startCaller({ authTokens: ['good'] })
    expect((await create()).status).toBe(401)
    expect(simulator.ledger.instances()).toEqual([])
  })
})

describe('strict projects', () => {
  it('refuses a project that is not configured with 403', async () => {
    const { call } = await startCaller({ projects: ['p'] })
    expect((await call('GET', path)).status).toBe(200)
    expect(await call('POST', '/v1/q/instances/batch-create', goodBody)).toMatchObject({
      status: 403,
      json: { error_code: 'iMetal.0004' },
    })
  })
})

describe('a project that is withdrawn', () => {
  it('is 403, for everybody or one user, until it is given back', async () => {
    const { simulator, call, admin } = await startCaller({ authMode: 'required' })
    const ann = simulator.tokens.issue({ user: 'A/ann' }).value
    const bob = simulator.tokens.issue({ user: 'A/bob' }).value
    const statuses = async () =>
      Promise.all(
        [ann, bob].map(async (token) => (await call('GET', path, undefined, withToken(token))).status),
      )
    await admin('POST', '/admin/projects/p/withdraw', { user: 'A/ann' })
    expect(await statuses()).toEqual([403, 200])
    expect((await call('GET', '/v1/q/instances', undefined, withToken(ann))).status).toBe(200)
    await admin('POST', '/admin/projects/p/withdraw')
    expect(await statuses()).toEqual([403, 403])
    await admin('POST', '/admin/projects/p/restore')
    expect(await statuses()).toEqual([200, 200])
  })
})

describe('POST /v3/auth/tokens', () => {
  const required = { authMode: 'required' } as const
  const tokenPath = '/v3/auth/tokens?nocatalog=true'

  it('issues a token for a project that opens only that project', async () => {
    const { call } = await startCaller(required)
    const issued = await call('POST', tokenPath, login({ id: 'p' }))
    expect(issued.status).toBe(201)
    expect(issued.json.token).toMatchObject({
      project: { id: 'p' },
      issued_at: '2027-01-15T08:00:00.000000Z',
      expires_at: '2027-01-16T08:00:00.000000Z',
    })
    const headers = withToken(issued.headers.get('x-subject-token') ?? '')
    expect((await call('GET', path, undefined, headers)).status).toBe(200)
    expect(await call('GET', '/v1/q/instances', undefined, headers)).toMatchObject({
      status: 403,
      json: { error_code: 'iMetal.0004' },
    })
  })

  it('expires', async () => {
    const { call, advance } = await startCaller({ ...required, tokenLifeMs: 5000 })
    const issued = await call('POST', tokenPath, login({ id: 'p' }))
    const headers = withToken(issued.headers.get('x-subject-token') ?? '')
    advance(4999)
    expect((await call('GET', path, undefined, headers)).status).toBe(200)
    advance(1)
    const { status, json } = await call('GET', path, undefined, headers)
    expect(status).toBe(401)
    expect(json.error_msg).toContain('token expires, expires_at: 2027-01-15T08:00:05')
  })

  it('is refused in another region', async () => {
    const { call } = await startCaller({ ...required, region: 'cn-east-3' })
    const statuses = []
    for (const name of ['cn-east-3', 'ap-southeast-3']) {
      const issued = await call('POST', tokenPath, login({ name }))
      const headers = withToken(issued.headers.get('x-subject-token') ?? '')
      statuses.push(await call('GET', path, undefined, headers))
    }
    expect(statuses[0]).toMatchObject({ status: 200 })
    expect(statuses[1]).toMatchObject({ status: 401, json: { error_code: 'APIGW.0307' } })
  })

  it('opens nothing without a project in its scope', async () => {
    const { call } = await startCaller(required)
    const issued = await call('POST', tokenPath, login(undefined))
    expect(issued.json.token.project).toBeUndefined()
    const headers = withToken(issued.headers.get('x-subject-token') ?? '')
    expect((await call('GET', path, undefined, headers)).status).toBe(403)
  })

  it('refuses a wrong password in the shape of IAM', async () => {
    const { call } = await startCaller({ iamUsers: ['U:right'] })
    expect((await call('POST', tokenPath, login({ id: 'p' }, 'right'))).status).toBe(201)
    expect(await call('POST', tokenPath, login({ id: 'p' }))).toMatchObject({
      status: 401,
      json: { error: { code: 401, title: 'Unauthorized', message: 'The username or password is wrong.' } },
    })
    expect((await call('GET', path)).status).toBe(401)
  })

  it.each([undefined, '{', {}, { auth: {} }, login({ name: '' })])('refuses %j with 400', async (body) => {
    const { call } = await startCaller(required)
    expect(await call('POST', tokenPath, body)).toMatchObject({ status: 400, json: { error: { code: 400 } } })
  })

  it('leaves no password in the ledger', async () => {
    const { simulator, call } = await startCaller(required)
    await call('POST', tokenPath, login({ id: 'p' }, 'canary-1'))
    await call('POST', `${path}/batch-create`, { ...goodBody, password: 'Canary-1' })
    expect(JSON.stringify(simulator.ledger.calls())).not.toMatch(/canary/i)
  })
})
