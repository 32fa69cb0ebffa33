import { describe, expect, it } from 'vitest'
import { createSimulator } from '../simulator.ts'
import { type Answer, type Caller, startCaller } from './caller.ts'
import { authorizationOf, type PlainCall, urlOf } from './signer.ts'

const tokenPath = '/v3/auth/tokens?nocatalog=true'
const idTokenPath = '/v3.0/OS-AUTH/id-token/tokens'
const keyPath = '/v3.0/OS-CREDENTIAL/securitytokens'
const sessionPath = '/meta-data/latest/api/token'
const metadataPath = '/openstack/latest/securitykey'
const date = '20270115T080000Z'

const passwordBody = (project: string) => ({
  auth: {
    identity: {
      methods: ['password'],
      password: { user: { name: 'U', password: 'P', domain: { name: 'ACCOUNT' } } },
    },
    scope: { project: { id: project } },
  },
})
const assume = (agency: string, more: object = {}) => ({
  methods: ['assume_role'],
  assume_role: { domain_name: 'A', agency_name: agency, ...more },
})
const idToken = (claims: object) =>
  ['{}', JSON.stringify(claims), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.')
const idTokenBody = (jwt: string) => ({
  auth: { id_token: { id: jwt }, scope: { project: { id: 'p' } } },
})

const subjectOf = (answer: Answer) => answer.headers.get('x-subject-token') ?? ''
const list = (caller: Caller, project: string, token: string) =>
  caller.call('GET', `/v1/${project}/instances`, undefined, { 'x-auth-token': token })

type Credential = { access: string; secret: string; securitytoken: string; expires_at: string }

/** A listing signed with a temporary key. */
function signedList(caller: Caller, { access, secret, securitytoken }: Credential): Promise<Answer> {
  const headers = { 'x-sdk-date': date, 'x-security-token': securitytoken }
  const plain: PlainCall = {
    method: 'GET',
    segments: ['v1', 'p', 'instances'],
    query: [],
    headers: { ...headers, host: new URL(caller.simulator.url).host },
    body: '',
  }
  const authorization = authorizationOf(plain, access, secret)
  return caller.call('GET', urlOf(plain), undefined, { ...headers, authorization })
}

describe('a token of an agency', () => {
  const body = { auth: { identity: assume('AGENCY'), scope: { project: { id: 'p' } } } }

  it('is issued to whoever has a token, and opens its project', async () => {
    const caller = await startCaller({ iamUsers: ['U:P'], agencies: ['A/AGENCY'] })
    const own = subjectOf(await caller.call('POST', tokenPath, passwordBody('b')))
    const issued = await caller.call('POST', tokenPath, body, { 'x-auth-token': own })
    expect(issued).toMatchObject({
      status: 201,
      json: { token: { methods: ['assume_role'], project: { id: 'p' }, user: { name: 'AGENCY' } } },
    })
    expect((await list(caller, 'p', subjectOf(issued))).status).toBe(200)
    expect((await list(caller, 'b', subjectOf(issued))).status).toBe(403)
    const elsewhere = caller.simulator.tokens.issue({ region: 'cn-east-3' }).value
    expect((await caller.call('POST', tokenPath, body, { 'x-auth-token': elsewhere })).status).toBe(201)
    expect(caller.simulator.ledger.calls({ user: 'A/AGENCY' })).toHaveLength(2)
  })

  it('is refused without one, and for an agency that is not there', async () => {
    const caller = await startCaller({ iamUsers: ['U:P'], agencies: ['A/OTHER'] })
    expect(await caller.call('POST', tokenPath, body)).toMatchObject({
      status: 401,
      json: { error: { code: 401, title: 'Unauthorized' } },
    })
    const own = subjectOf(await caller.call('POST', tokenPath, passwordBody('b')))
    expect(await caller.call('POST', tokenPath, body, { 'x-auth-token': own })).toMatchObject({
      status: 403,
      json: { error: { code: 403, title: 'Forbidden' } },
    })
  })
})

describe('a token for an id token', () => {
  const headers = { 'x-idp-id': 'k8s' }

  it('is issued, and opens its project', async () => {
    const caller = await startCaller({ authMode: 'required', idps: ['k8s'] })
    const jwt = idToken({ sub: 'system:serviceaccount:a:b', exp: 1_800_000_060 })
    const issued = await caller.call('POST', idTokenPath, idTokenBody(jwt), headers)
    expect(issued).toMatchObject({ status: 201, json: { token: { project: { id: 'p' } } } })
    expect((await list(caller, 'p', subjectOf(issued))).status).toBe(200)
    caller.advance(60_000)
    expect((await caller.call('POST', idTokenPath, idTokenBody(jwt), headers)).status).toBe(401)
  })

  it.each([
    ['no provider', {}, idTokenBody(idToken({ sub: 's' })), 400],
    ['another provider', { 'x-idp-id': 'x' }, idTokenBody(idToken({ sub: 's' })), 404],
    ['no JWT', headers, idTokenBody('jwt'), 401],
    ['no body', headers, {}, 400],
  ])('is refused with %s', async (_, sent, body, status) => {
    const { call } = await startCaller({ idps: ['k8s'] })
    expect(await call('POST', idTokenPath, body, sent)).toMatchObject({
      status,
      json: { error: { code: status } },
    })
  })
})

describe('a temporary key', () => {
  const signing = { aksk: ['AK:SK'], iamUsers: ['U:P'] }

  it('comes from a token, of an agency too, lives as long as asked, and signs calls', async () => {
    const caller = await startCaller(signing)
    const token = subjectOf(await caller.call('POST', tokenPath, passwordBody('p')))
    const get = (identity: object) =>
      caller.call('POST', keyPath, { auth: { identity } }, { 'x-auth-token': token })
    const own = await get({ methods: ['token'], token: { duration_seconds: 1800 } })
    expect(own).toMatchObject({
      status: 201,
      json: { credential: { expires_at: '2027-01-15T08:30:00.000000Z' } },
    })
    expect((await signedList(caller, own.json.credential)).status).toBe(200)
    const agency = await get(assume('AGENCY', { duration_seconds: 3600 }))
    expect((await signedList(caller, agency.json.credential)).status).toBe(200)
    expect(caller.simulator.ledger.calls().map(({ user }) => user)).toEqual([
      'ACCOUNT/U',
      'ACCOUNT/U',
      'ACCOUNT/U',
      'ACCOUNT/U',
      'A/AGENCY',
    ])
    expect((await get(assume('AGENCY', { duration_seconds: 899 }))).status).toBe(400)
  })

  it('comes from a signed call, and from no other', async () => {
    const caller = await startCaller({ ...signing, keyLifeMs: 20_000 })
    const headers = { 'content-type': 'application/json', 'x-sdk-date': date }
    const plain: PlainCall = {
      method: 'POST',
      segments: ['v3.0', 'OS-CREDENTIAL', 'securitytokens'],
      query: [],
      headers: { ...headers, host: new URL(caller.simulator.url).host },
      body: JSON.stringify({ auth: { identity: { methods: ['token'] } } }),
    }
    const send = (secretKey: string) => {
      const authorization = authorizationOf(plain, 'AK', secretKey)
      return caller.call('POST', urlOf(plain), plain.body, { ...headers, authorization })
    }
    const issued = await send('SK')
    expect(issued.json.credential.expires_at).toBe('2027-01-15T08:00:20.000000Z')
    expect((await signedList(caller, issued.json.credential)).status).toBe(200)
    expect(await send('other')).toMatchObject({ status: 401, json: { error: { code: 401 } } })
  })
})

describe('the metadata service', () => {
  const ttl = { 'x-metadata-token-ttl-seconds': '60' }

  it('gives keys to those that have a session, which ends', async () => {
    const caller = await startCaller({ aksk: ['AK:SK'] })
    const { call } = caller
    expect((await call('GET', metadataPath)).status).toBe(401)
    expect((await call('PUT', sessionPath)).status).toBe(400)
    const session = (await call('PUT', sessionPath, undefined, ttl)).text
    const get = () => call('GET', metadataPath, undefined, { 'x-metadata-token': session })
    const { json } = await get()
    expect((await signedList(caller, json.credential)).status).toBe(200)
    expect((await caller.admin('POST', '/admin/metadata/expire')).json).toEqual({ expired: 1 })
    expect((await get()).status).toBe(401)
    const next = (await call('PUT', sessionPath, undefined, ttl)).text
    caller.advance(60_000)
    expect((await call('GET', metadataPath, undefined, { 'x-metadata-token': next })).status).toBe(401)
  })

  it('of old has no sessions', async () => {
    const { call } = await startCaller({ metadata: 'plain' })
    expect((await call('PUT', sessionPath, undefined, ttl)).status).toBe(404)
    expect((await call('GET', metadataPath)).status).toBe(200)
  })

  it('says so where the VM has no agency', async () => {
    const { call } = await startCaller({ metadata: 'no_agency' })
    expect(await call('GET', metadataPath)).toMatchObject({
      status: 401,
      text: 'Please configure Cloud Service Agency first',
    })
  })
})

describe('GET /v3/projects', () => {
  it('lists the configured projects of a region', async () => {
    const { call } = await startCaller({ projects: ['p', 'q'], projectRegions: { q: 'cn-east-3' } })
    const ids = async (query: string) =>
      (await call('GET', `/v3/projects${query}`)).json.projects.map(({ id }: { id: string }) => id)
    expect(await ids('')).toEqual(['p', 'q'])
    expect(await ids('?name=cn-east-3')).toEqual(['q'])
  })
})

describe('IAM in trouble', () => {
  it('answers in its own shape, and leaves CloudDC alone', async () => {
    const { call, admin } = await startCaller()
    await admin('POST', '/admin/faults', { kind: 'error_before', service: 'iam', status: 503, count: null })
    expect((await call('GET', '/v1/p/instances')).status).toBe(200)
    for (const path of [tokenPath, idTokenPath, keyPath]) {
      expect(await call('POST', path, {})).toMatchObject({ status: 503, json: { error: { code: 503 } } })
    }
    await admin('DELETE', '/admin/faults')
    await admin('POST', '/admin/faults', { kind: 'throttle', service: 'iam', retry_after: 7 })
    const throttled = await call('POST', tokenPath, passwordBody('p'))
    expect(throttled).toMatchObject({ status: 429, json: { error: { code: 429 } } })
    expect(throttled.headers.get('retry-after')).toBe('7')
    expect((await call('POST', tokenPath, passwordBody('p'))).status).toBe(201)
  })

  it('is slow as long as it is held', async () => {
    const { simulator, call } = await startCaller()
    const fault = simulator.faults.add({ kind: 'hold', service: 'iam' })
    const answer = call('POST', tokenPath, passwordBody('p'))
    await simulator.faults.struck(fault.id)
    expect((await call('GET', '/v1/p/instances')).status).toBe(200)
    simulator.faults.release(fault.id)
    expect((await answer).status).toBe(201)
  })
})

describe('the ledger of IAM', () => {
  it('tells who asked for which project, and no secret', async () => {
    const { call, admin } = await startCaller({ iamUsers: ['U:P'] })
    const token = subjectOf(await call('POST', tokenPath, passwordBody('p')))
    await call('GET', '/v1/p/instances', undefined, { 'x-auth-token': token })
    const { json, text } = await admin('GET', '/admin/ledger/calls?service=iam')
    expect(json.calls).toMatchObject([
      { operation: 'CreateToken', user: 'ACCOUNT/U', scope: 'p', status: 201 },
    ])
    expect(text).not.toContain(token)
    expect((await admin('GET', '/admin/secrets')).json).toEqual({ secrets: [token] })
    const ofUser = await admin('GET', '/admin/ledger/calls?user=ACCOUNT%2FU&service=clouddc')
    expect(ofUser.json.calls).toMatchObject([{ operation: 'ListInstances' }])
    expect((await admin('GET', '/admin/ledger/calls?service=x')).status).toBe(400)
  })
})

describe('ports', () => {
  it('of its own has IAM when told so, and then the API has it no more', async () => {
    const { simulator, call } = await startCaller({ iamPort: 0 })
    expect(simulator.iamUrl).not.toBe(simulator.url)
    expect((await call('POST', tokenPath, passwordBody('p'))).status).toBe(404)
    const post = (path: string) =>
      fetch(simulator.iamUrl + path, { method: 'POST', body: JSON.stringify(passwordBody('p')) })
    expect((await post(tokenPath)).status).toBe(201)
    expect((await post('/v1/p/instances/batch-create')).status).toBe(404)
  })

  it('of its own has each region, where only its projects and tokens count', async () => {
    const { simulator, call } = await startCaller({
      authMode: 'required',
      regions: ['cn-east-3:0'],
      projectRegions: { e: 'cn-east-3', s: 'cn-southwest-2' },
    })
    const statusOf = async (region: string, project: string, token: string) => {
      const url = `${simulator.regionUrls[region]}/v1/${project}/instances`
      return (await fetch(url, { headers: { 'x-auth-token': token } })).status
    }
    const tokenOf = async (project: string) => subjectOf(await call('POST', tokenPath, passwordBody(project)))
    const east = await tokenOf('e')
    const southwest = await tokenOf('s')
    expect(await statusOf('cn-east-3', 'e', east)).toBe(200)
    expect(await statusOf('cn-southwest-2', 's', southwest)).toBe(200)
    expect(await statusOf('cn-southwest-2', 'e', east)).toBe(401)
    expect(await statusOf('cn-east-3', 's', simulator.tokens.issue({ region: 'cn-east-3' }).value)).toBe(403)
  })

  it('are all closed when one of them is taken', async () => {
    const { simulator } = await startCaller()
    await expect(createSimulator({ iamPort: simulator.port })).rejects.toThrow('EADDRINUSE')
  })
})
