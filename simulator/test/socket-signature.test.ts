import { describe, expect, it } from 'vitest'
import type { SimulatorOptions } from '../options.ts'
import { sdkDate } from '../signature.ts'
import { type Caller, goodBody, startCaller } from './caller.ts'
import { authorizationOf, type PlainCall, urlOf } from './signer.ts'

type Signing = {
  accessKey?: string
  secretKey?: string
  securityToken?: string
  /** What is sent beside or instead of what was signed. */
  sent?: Record<string, string>
  sentBody?: string
  /** How far the caller's clock is off, ms. */
  clockMs?: number
  project?: string
}

const start = (options: SimulatorOptions = {}) =>
  startCaller({ aksk: ['AK:SK'], quoteCanonical: false, ...options })

/** A signed batch-create; at the time of a simulator whose clock was not moved by more than `clockMs`. */
function signedCreate(caller: Caller, signing: Signing = {}, startedAt = 1_800_000_000_000) {
  const { accessKey = 'AK', secretKey = 'SK', securityToken, clockMs = 0, project = 'p' } = signing
  const plain: PlainCall = {
    method: 'POST',
    segments: ['v1', project, 'instances', 'batch-create'],
    query: [],
    headers: {
      host: new URL(caller.simulator.url).host,
      'content-type': 'application/json',
      'x-project-id': project,
      'x-sdk-date': sdkDate(startedAt + clockMs),
      ...(securityToken === undefined ? {} : { 'x-security-token': securityToken }),
    },
    body: JSON.stringify(goodBody),
  }
  const { host: _, ...headers } = plain.headers
  const authorization = authorizationOf(plain, accessKey, secretKey)
  return caller.call('POST', urlOf(plain), signing.sentBody ?? plain.body, {
    ...headers,
    authorization,
    ...signing.sent,
  })
}

const refusedWith = (reason: string) => ({
  status: 401,
  json: {
    error_code: 'APIGW.0301',
    error_msg: `Incorrect IAM authentication information: ${reason}`,
    request_id: expect.any(String),
  },
})

describe('a signed call', () => {
  it('is taken, for every project, also one with a query', async () => {
    const caller = await start()
    expect((await signedCreate(caller)).status).toBe(202)
    expect((await signedCreate(caller, { project: 'q' })).status).toBe(202)
    const plain: PlainCall = {
      method: 'GET',
      segments: ['v1', 'p', 'instances'],
      query: [
        ['limit', '10'],
        ['instance_id', 'a,b'],
      ],
      headers: { host: new URL(caller.simulator.url).host, 'x-sdk-date': sdkDate(1_800_000_000_000) },
      body: '',
    }
    const authorization = authorizationOf(plain, 'AK', 'SK')
    const headers = { 'x-sdk-date': plain.headers['x-sdk-date'] ?? '', authorization }
    expect((await caller.call('GET', urlOf(plain), undefined, headers)).status).toBe(200)
    expect(await caller.call('GET', `${urlOf(plain)}&x=`, undefined, headers)).toMatchObject({ status: 401 })
  })

  it('is not needed as long as no key is configured, and then not judged', async () => {
    const caller = await startCaller()
    expect((await caller.create()).status).toBe(202)
    expect((await signedCreate(caller, { secretKey: 'other' })).status).toBe(202)
  })

  it('is needed as soon as a key is configured, unless a token is configured too and sent', async () => {
    const { create } = await start()
    expect(await create()).toMatchObject({ status: 401 })
    const both = await start({ authTokens: ['good'] })
    expect((await signedCreate(both)).status).toBe(202)
    const withToken = (token: string) =>
      both.call('GET', '/v1/p/instances', undefined, { 'x-auth-token': token })
    expect((await withToken('good')).status).toBe(200)
    expect((await withToken('bad')).status).toBe(401)
  })

  it.each<[string, Signing, string]>([
    ['another secret', { secretKey: 'other' }, 'verify aksk signature fail'],
    ['an unknown key', { accessKey: 'NONE' }, 'ak NONE not exist'],
    ['another body', { sentBody: '{}' }, 'verify aksk signature fail'],
    ['another content type', { sent: { 'content-type': 'text/plain' } }, 'verify aksk signature fail'],
    ['another time', { sent: { 'x-sdk-date': sdkDate(1_800_000_001_000) } }, 'verify aksk signature fail'],
    ['an unsigned security token', { sent: { 'x-security-token': 't' } }, 'verify aksk signature fail'],
    ['a security token of nobody', { securityToken: 't' }, 'decrypt token fail'],
    ['no form', { sent: { authorization: 'SDK-HMAC-SHA256 x' } }, 'verify aksk signature fail'],
  ])('with %s is refused', async (_, signing, reason) => {
    const caller = await start()
    expect(await signedCreate(caller, signing)).toMatchObject(refusedWith(reason))
    expect(caller.simulator.ledger.instances()).toEqual([])
  })

  it('is refused without a signed time or host', async () => {
    const caller = await start()
    const host = new URL(caller.simulator.url).host
    const date = sdkDate(1_800_000_000_000)
    const send = async (signed: Record<string, string>, sent: Record<string, string>) => {
      const plain: PlainCall = {
        method: 'GET',
        segments: ['v1', 'p', 'instances'],
        query: [],
        headers: signed,
        body: '',
      }
      const authorization = authorizationOf(plain, 'AK', 'SK')
      return (await caller.call('GET', urlOf(plain), undefined, { ...sent, authorization })).status
    }
    expect(await send({ host, 'x-sdk-date': date }, { 'x-sdk-date': date })).toBe(200)
    expect(await send({ host }, { 'x-sdk-date': date })).toBe(401)
    expect(await send({ 'x-sdk-date': date }, { 'x-sdk-date': date })).toBe(401)
    expect(await send({ host: 'other', 'x-sdk-date': date }, { 'x-sdk-date': date })).toBe(401)
  })

  it('may be a quarter of an hour off, and no more', async () => {
    const caller = await start()
    for (const clockMs of [-900_000, 900_000]) {
      expect((await signedCreate(caller, { clockMs })).status).toBe(202)
    }
    for (const clockMs of [-901_000, 901_000]) {
      const times = `signature time:${sdkDate(1_800_000_000_000 + clockMs)},server time:20270115T080000Z`
      expect(await signedCreate(caller, { clockMs })).toMatchObject(
        refusedWith(`calc aksk signature fail:signature expired, ${times}`),
      )
    }
  })

  it('for a project that it does not name in its header is refused with 403', async () => {
    const caller = await start()
    const plain: PlainCall = {
      method: 'GET',
      segments: ['v1', 'p', 'instances'],
      query: [],
      headers: {
        host: new URL(caller.simulator.url).host,
        'x-project-id': 'q',
        'x-sdk-date': sdkDate(1_800_000_000_000),
      },
      body: '',
    }
    const { host: _, ...headers } = plain.headers
    const authorization = authorizationOf(plain, 'AK', 'SK')
    expect(await caller.call('GET', urlOf(plain), undefined, { ...headers, authorization })).toMatchObject({
      status: 403,
      json: { error_code: 'iMetal.0004' },
    })
  })

  it('is told the canonical request that the gateway saw, when its signature is wrong', async () => {
    const caller = await start({ quoteCanonical: true })
    const { status, json } = await signedCreate(caller, { secretKey: 'other' })
    expect(status).toBe(401)
    expect(json.error_msg).toMatch(
      /verify aksk signature fail, canonical request: POST\|\/v1\/p\/instances\//,
    )
    expect(json.error_msg).toContain('|x-sdk-date:20270115T080000Z|')
  })

  it('uses up a fault only when it is good, and is then struck like any other', async () => {
    const caller = await start()
    const fault = caller.simulator.faults.add({ kind: 'cut_before', operation: 'RunInstances' })
    await signedCreate(caller, { secretKey: 'other' })
    expect(fault.hits).toBe(0)
    await expect(signedCreate(caller)).rejects.toThrow()
    expect(caller.simulator.ledger.instances()).toEqual([])
    expect(caller.simulator.ledger.calls().at(-1)).toMatchObject({ cut: 'before', fault: 'cut_before' })
    expect((await signedCreate(caller)).status).toBe(202)
  })
})

describe('a key', () => {
  it('is locked after five refusals in a row, and then refuses good calls too', async () => {
    const caller = await start({ akLockMs: 60_000 })
    const wrong = () => signedCreate(caller, { secretKey: 'other' })
    for (let n = 0; n < 4; n += 1) await wrong()
    expect((await signedCreate(caller)).status).toBe(202)
    for (let n = 0; n < 5; n += 1)
      expect(await wrong()).toMatchObject(refusedWith('verify aksk signature fail'))
    const locked = refusedWith('AK access failed to reach the limit,forbidden')
    expect(await signedCreate(caller)).toMatchObject(locked)
    expect((await caller.admin('GET', '/admin/keys')).json.keys).toMatchObject([
      { access_key: 'AK', accepted: 1, refused: 10, locks: 1, locked_until: '2027-01-15T08:01:00.000Z' },
    ])
    caller.advance(59_999)
    expect(await signedCreate(caller)).toMatchObject(locked)
    caller.advance(1)
    expect((await signedCreate(caller)).status).toBe(202)
  })

  it('is locked on demand', async () => {
    const caller = await start({ akLockMs: 1000 })
    expect((await caller.admin('POST', '/admin/keys/AK/lock')).status).toBe(200)
    expect(await signedCreate(caller)).toMatchObject(
      refusedWith('AK access failed to reach the limit,forbidden'),
    )
    caller.advance(1000)
    expect((await signedCreate(caller)).status).toBe(202)
  })

  it('is refused where the clock of the cloud is far ahead, which answers and ends tell', async () => {
    const caller = await start()
    await caller.admin('PATCH', '/admin/settings', { clockAheadMs: 3_600_000 })
    const refused = await signedCreate(caller)
    expect(refused).toMatchObject(
      refusedWith(
        'calc aksk signature fail:signature expired, signature time:20270115T080000Z,server time:20270115T090000Z',
      ),
    )
    expect(refused.headers.get('date')).toBe('Fri, 15 Jan 2027 09:00:00 GMT')
    await caller.admin('PATCH', '/admin/settings', { clockAheadMs: 600_000 })
    expect((await signedCreate(caller)).status).toBe(202)
  })

  it('is withdrawn and given back', async () => {
    const caller = await start()
    expect((await caller.admin('POST', '/admin/keys/AK/withdraw')).status).toBe(200)
    expect(await signedCreate(caller)).toMatchObject(
      refusedWith('Get secretKey failed,ak:AK,err:ak not exist'),
    )
    expect((await caller.admin('POST', '/admin/keys/AK/restore')).status).toBe(200)
    expect((await signedCreate(caller)).status).toBe(202)
    expect((await caller.admin('POST', '/admin/keys/NONE/withdraw')).status).toBe(400)
  })

  it('that is temporary needs its security token, and ends', async () => {
    const caller = await start()
    const issued = (await caller.admin('POST', '/admin/keys', { lifeMs: 5000 })).json
    const { accessKey, secretKey, securityToken } = issued
    expect((await signedCreate(caller, { accessKey, secretKey, securityToken })).status).toBe(202)
    expect(await signedCreate(caller, { accessKey, secretKey })).toMatchObject(
      refusedWith('decrypt token fail'),
    )
    caller.advance(5000)
    expect(await signedCreate(caller, { accessKey, secretKey, securityToken })).toMatchObject(
      refusedWith('token expires, expires_at: 2027-01-15T08:00:05.000Z'),
    )
    const listed = JSON.stringify((await caller.admin('GET', '/admin/keys')).json)
    expect(listed).not.toContain(secretKey)
    expect(listed).not.toContain(securityToken)
  })

  it('may be configured with a security token', async () => {
    const caller = await start({ aksk: ['TEMP:SECRET:tok+/='] })
    const signing = { accessKey: 'TEMP', secretKey: 'SECRET' }
    expect((await signedCreate(caller, { ...signing, securityToken: 'tok+/=' })).status).toBe(202)
    expect((await signedCreate(caller, signing)).status).toBe(401)
  })
})

describe('a token', () => {
  it('is refused by the service behind the gateway when told so', async () => {
    const { call } = await startCaller({ authTokens: ['good'], tokenRefusal: 'service' })
    const answer = await call('GET', '/v1/p/instances', undefined, { 'x-auth-token': 'bad' })
    expect(answer).toMatchObject({ status: 401, json: { error_code: 'iMetal.0003' } })
    const caller = await start({ tokenRefusal: 'service', quoteCanonical: true })
    const signed = await signedCreate(caller, { secretKey: 'other', securityToken: 'token' })
    expect(signed).toMatchObject({ status: 401, json: { error_code: 'APIGW.0301' } })
  })
})
