import { describe, expect, it } from 'vitest'
import type { ThrottleForm } from '../options.ts'
import { startCaller } from './caller.ts'

const tight = { limiterRate: 2, limiterBurst: 1 }

describe('call limit', () => {
  it('answers 429, creates nothing, and lets calls in again with time', async () => {
    const { simulator, create, advance } = await startCaller(tight)
    expect((await create()).status).toBe(202)
    const refused = await create()
    expect(refused.status).toBe(429)
    expect(refused.json).toMatchObject({
      error_code: 'APIGW.0308',
      error_msg:
        'The throttling threshold has been reached: policy user over ratelimit,limit:2,time:1 second',
    })
    expect(refused.headers.get('retry-after')).toBeNull()
    advance(500)
    expect((await create()).status).toBe(202)
    expect(simulator.ledger.instances()).toHaveLength(2)
    expect(simulator.ledger.violations()).toMatchObject([{ n: 2, over_limit: true, status: 429 }])
    expect(simulator.stats()).toMatchObject({ throttled: 1, over_limit: 1 })
  })

  it('counts every call of a project', async () => {
    const { call, create } = await startCaller(tight)
    expect((await call('GET', '/v1/p/instances')).status).toBe(200)
    expect((await create()).status).toBe(429)
    expect((await call('GET', '/v1/q/instances')).status).toBe(200)
  })

  it('counts only creating calls when told so', async () => {
    const { call, create } = await startCaller({ ...tight, limitScope: 'create' })
    expect((await call('GET', '/v1/p/instances')).status).toBe(200)
    expect((await create()).status).toBe(202)
    expect((await create()).status).toBe(429)
    expect((await call('GET', '/v1/p/instances')).status).toBe(200)
  })

  it.each([
    ['json', 'application/json', /"error_code":"APIGW\.0308"/],
    ['imetal', 'application/json', /"error_code":"iMetal\.0005"/],
    ['string', 'application/json', /^"The request is overloaded\."$/],
    ['plain', 'text/plain', /^The request is overloaded\.$/],
    ['empty', '', /^$/],
  ] as [ThrottleForm, string, RegExp][])('sends 429 in form %s', async (throttleForm, type, body) => {
    const { create } = await startCaller({ ...tight, throttleForm })
    await create()
    const { status, headers, text } = await create()
    expect(status).toBe(429)
    expect(headers.get('content-type') ?? '').toContain(type)
    expect(text).toMatch(body)
  })

  it('says Retry-After in whole seconds when told so', async () => {
    const { create } = await startCaller({ limiterRate: 0.4, limiterBurst: 1, retryAfter: true })
    await create()
    expect((await create()).headers.get('retry-after')).toBe('3')
  })

  it('holds for a user over all projects when told so', async () => {
    const { simulator, call, admin } = await startCaller({ authTokens: ['t'], userLimiterRate: 1 })
    const list = (project: string) =>
      call('GET', `/v1/${project}/instances`, undefined, { 'x-auth-token': 't' })
    expect((await list('p')).status).toBe(200)
    expect(await list('q')).toMatchObject({
      status: 429,
      json: { error_msg: expect.stringContaining('policy user over ratelimit,limit:1,time:1 second') },
    })
    const [first, second] = simulator.ledger.calls()
    expect(second).toMatchObject({ over_limit: true, over_user_limit: true, user: first?.user })
    const query = `rate=1&burst=1&user=${first?.user}`
    expect((await admin('GET', `/admin/limiter/check?${query}`)).json).toMatchObject({ calls: 1 })
  })

  it('only counts violations when it is not enforced', async () => {
    const { simulator, create } = await startCaller({ ...tight, limiterEnforce: false })
    await create()
    expect((await create()).status).toBe(202)
    expect(simulator.ledger.violations()).toHaveLength(1)
  })

  it('records arrivals so that a budget can be judged', async () => {
    const { simulator, create, advance, admin } = await startCaller()
    for (let n = 0; n < 3; n += 1) await create()
    advance(1000)
    await create()
    expect(simulator.ledger.budget({ project: 'p', rate: 1, burst: 2 })).toEqual({
      calls: 4,
      span_seconds: 1,
      worst_excess: 1,
      utilisation: 4 / 3,
    })
    const { json } = await admin(
      'GET',
      '/admin/limiter/check?project=p&operation=RunInstances&rate=1&burst=3',
    )
    expect(json).toMatchObject({ calls: 4, worst_excess: 0 })
  })
})
