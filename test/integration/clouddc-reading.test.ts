import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CloudDcAccessError,
  CloudDcError,
  CloudDcRefusedError,
  CloudDcThrottledError,
  CloudDcUnexpectedError,
  CloudDcUnreachableError,
} from '../../src/clouddc/errors.ts'
import { createClients } from '../support/clouddc-client.ts'
import {
  answer,
  answerHalf,
  inTurn,
  reset,
  type Script,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const clients = createClients()
let cloud: ScriptedCloudDc

beforeEach(async () => {
  cloud = await startScriptedCloudDc()
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
})

function page(ids: string[], nextMarker?: string | null, count?: number) {
  return {
    instances: ids.map((id) => ({ id, state: 'pending' })),
    page_info: { next_marker: nextMarker, current_count: ids.length },
    count,
  }
}

describe('listInstances', () => {
  it('asks for ids as CloudDC documents, with a limit', async () => {
    cloud.setScript(answer(200, page(['a'])))
    const client = clients.open(cloud.endpoint)
    await client.listInstances({ projectId: 'p1', instanceIds: ['a', 'b'] })
    await client.listInstances({ projectId: 'p1', serverIds: ['s'], limit: 1, marker: 'm+ &' })
    expect(cloud.arrivals.map((arrival) => arrival.path)).toEqual([
      '/v1/p1/instances?instance_id=a%2Cb&limit=1000',
      '/v1/p1/instances?limit=10&marker=m%2B%20%26&server_id=s',
    ])
    expect(cloud.arrivals[0]?.headers['x-auth-token']).toBe('token-canary-5521')
  })

  it('never turns an empty list of ids into everything', async () => {
    const client = clients.open(cloud.endpoint)
    const none = { instances: [], nextMarker: null, total: 0 }
    expect(await client.listInstances({ projectId: 'p1', instanceIds: [] })).toEqual(none)
    expect(cloud.arrivals).toHaveLength(0)
  })

  it('refuses what CloudDC would refuse', async () => {
    const client = clients.open(cloud.endpoint)
    const many = Array.from({ length: 101 }, (_, index) => `${index}`)
    await expect(client.listInstances({ projectId: 'p1', instanceIds: many })).rejects.toThrow(RangeError)
    const both = { projectId: 'p1', instanceIds: ['a'], serverIds: ['s'] }
    await expect(client.listInstances(both)).rejects.toThrow(RangeError)
  })

  const fault = { error_code: 'iMetal.0005', error_msg: 'no' }
  type ErrorClass = abstract new (...args: never[]) => CloudDcError
  const failures: [name: string, script: Script, type: ErrorClass, facts: object][] = [
    [
      '429',
      answer(429, fault, { 'Retry-After': '2' }),
      CloudDcThrottledError,
      { retryAfterMs: 2000, retryable: true },
    ],
    ['401', answer(401, fault), CloudDcAccessError, { trouble: 'unauthorized', retryable: true }],
    [
      '403 for the token',
      answer(403, { error_code: 'APIGW.0307', error_msg: '' }),
      CloudDcAccessError,
      { trouble: 'unauthorized' },
    ],
    ['403', answer(403, fault), CloudDcAccessError, { trouble: 'forbidden', status: 403 }],
    ['400', answer(400, fault), CloudDcRefusedError, { code: 'iMetal.0005', retryable: false }],
    ['404', answer(404, fault), CloudDcRefusedError, { status: 404 }],
    ['404 of a proxy', answer(404, '<html>'), CloudDcAccessError, { trouble: 'misconfigured' }],
    ['404 without a body', answer(404), CloudDcAccessError, { trouble: 'misconfigured' }],
    [
      '405 of the gateway',
      answer(405, { error_code: 'APIGW.0501', error_msg: '' }),
      CloudDcAccessError,
      { trouble: 'misconfigured', code: 'APIGW.0501' },
    ],
    ['408', answer(408), CloudDcUnexpectedError, { retryable: true }],
    ['302', answer(302), CloudDcAccessError, { trouble: 'misconfigured', status: 302 }],
    ['418', answer(418), CloudDcUnexpectedError, { status: 418 }],
    ['500', answer(500, '<html>'), CloudDcUnexpectedError, { status: 500, message: 'HTTP 500' }],
    ['no JSON', answer(200, 'hello'), CloudDcUnexpectedError, { status: 200 }],
    ['an instance without an id', answer(200, { instances: [{}] }), CloudDcUnexpectedError, {}],
    ['half an answer', answerHalf(200, page(['a']), 9, reset), CloudDcUnexpectedError, {}],
    ['a reset', reset, CloudDcUnreachableError, { status: null, code: 'ECONNRESET', retryable: true }],
  ]

  it.each(failures)('throws by class: %s', async (_, script, type, facts) => {
    cloud.setScript(script)
    const client = clients.open(cloud.endpoint)
    const error: unknown = await client.listInstances({ projectId: 'p1' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(type)
    expect(error).toBeInstanceOf(CloudDcError)
    expect(error).toMatchObject(facts)
    expect(cloud.arrivals).toHaveLength(1)
  })
})

describe('listAllInstances', () => {
  it('follows the markers and asks before each call', async () => {
    const next = `${cloud.endpoint}/v1/p1/instances?limit=10&marker=m%2F2`
    cloud.setScript(
      inTurn(
        answer(200, page(['a', 'b'], 'm1', 4)),
        answer(200, page(['b', 'c'], next)),
        answer(200, page(['d'])),
      ),
    )
    let calls = 0
    const beforeCall = async () => {
      calls += 1
    }
    const client = clients.open(cloud.endpoint)
    const { instances } = await client.listAllInstances({ projectId: 'p1', beforeCall })
    expect(instances.map((instance) => instance.id)).toEqual(['a', 'b', 'c', 'd'])
    expect(cloud.arrivals.map((arrival) => arrival.path)).toEqual([
      '/v1/p1/instances?limit=1000',
      '/v1/p1/instances?limit=1000&marker=m1',
      '/v1/p1/instances?limit=1000&marker=m%2F2',
    ])
    expect(calls).toBe(3)
  })

  it('gives nothing when one page fails', async () => {
    cloud.setScript(inTurn(answer(200, page(['a'], 'm1')), answer(500)))
    const listing = clients.open(cloud.endpoint).listAllInstances({ projectId: 'p1' })
    await expect(listing).rejects.toBeInstanceOf(CloudDcUnexpectedError)
  })
})

describe('showInstanceStatus', () => {
  const show = () => clients.open(cloud.endpoint).showInstanceStatus({ projectId: 'p1', instanceId: 'i/1' })

  it('reads the state', async () => {
    cloud.setScript(answer(200, { state: 'Running', operation_state: 'install-succeed' }))
    expect(await show()).toEqual({ state: 'running', upstreamState: 'Running', error: null })
    expect(cloud.arrivals[0]?.path).toBe('/v1/p1/instances/i%2F1/status')
  })

  it('knows an instance that is not there from an address that is not there', async () => {
    cloud.setScript(answer(404, { error_code: 'iMetal.0200', error_msg: 'Instances not found' }))
    expect(await show()).toBe('not_found')
    for (const body of [{ error_code: 'APIGW.0101', error_msg: 'The API does not exist' }, '<html>', '']) {
      cloud.setScript(answer(404, body))
      await expect(show()).rejects.toBeInstanceOf(CloudDcAccessError)
    }
    cloud.setScript(answer(403, { error_code: 'iMetal.0004', error_msg: 'Insufficient permissions' }))
    await expect(show()).rejects.toBeInstanceOf(CloudDcAccessError)
  })
})
