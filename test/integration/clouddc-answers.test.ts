import { afterEach, beforeEach, expect, it } from 'vitest'
import { classifyOutcome } from '../../src/attempt/outcome.ts'
import { createClients } from '../support/clouddc-client.ts'
import {
  answer,
  answerHalf,
  hangUp,
  raw,
  rawAndHangUp,
  reset,
  type Script,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const BODY = JSON.stringify({ name: 'web', password: 'Canary=1<pass>', min_count: 1, max_count: 2 })
const CREATED = { instances: [{ id: 'b' }, { id: 'a' }] }
const PROMISED = { minCount: 1, maxCount: 2 }
const CREATED_TEXT = JSON.stringify(CREATED)
const FAULT = { error_code: 'iMetal.0101', error_msg: 'not ready: [x]' }

const clients = createClients()
let cloud: ScriptedCloudDc

beforeEach(async () => {
  cloud = await startScriptedCloudDc()
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
})

const created = (...instanceIds: string[]) => ({ class: 'created', instanceIds })
const notCreated = (reason: string, more: object = {}) => ({ class: 'not_created', reason, ...more })
const unknown = (reason: string, more: object = {}) => ({ class: 'unknown', reason, ...more })

const cases: [name: string, script: Script, outcome: object][] = [
  ['202 with ids', answer(202, CREATED), created('b', 'a')],
  ['202 that names fewer than it could', answer(202, { instances: [{ id: 'a' }] }), created('a')],
  [
    '202 with an entry that is no instance',
    answer(202, { instances: [{}, { id: 'a' }] }),
    unknown('broken_promise', { named: ['a'] }),
  ],
  [
    '202 that names one twice',
    answer(202, { instances: [{ id: 'a' }, { id: 'a' }] }),
    unknown('broken_promise', { named: ['a'] }),
  ],
  [
    '202 that names more than it could',
    answer(202, { instances: [...CREATED.instances, { id: 'c' }] }),
    unknown('broken_promise', { named: ['b', 'a', 'c'] }),
  ],
  ['202 after 103', raw(`HTTP/1.1 103 Hint\r\n\r\n${head(202)}${CREATED_TEXT}`), created('b', 'a')],
  [
    '202 that ends with its connection',
    rawAndHangUp(`HTTP/1.1 202 A\r\n\r\n${CREATED_TEXT}`),
    created('b', 'a'),
  ],
  ['202 without ids', answer(202, { instances: [] }), unknown('broken_promise', { named: [] })],
  ['202 without a body', answer(202), unknown('unreadable_answer')],
  ['202 that is no JSON', answer(202, '<html>'), unknown('unreadable_answer')],
  [
    '202 cut by a close',
    answerHalf(202, CREATED, 30, hangUp),
    unknown('unreadable_answer', { httpStatus: 202 }),
  ],
  [
    '202 cut by a reset',
    answerHalf(202, CREATED, 30, reset),
    unknown('unreadable_answer', { httpStatus: 202 }),
  ],
  [
    '202 cut where it could end',
    answerHalf(202, `${CREATED_TEXT}    `, CREATED_TEXT.length, reset),
    unknown('unreadable_answer'),
  ],
  ['202 too long', answer(202, { ...CREATED, x: 'x'.repeat(2_000_000) }), unknown('unreadable_answer')],
  [
    '302',
    answer(302, '', { Location: '/elsewhere' }),
    unknown('unexpected_status', { closes: 'misconfigured' }),
  ],
  ['400', answer(400, FAULT), notCreated('refused', { code: 'iMetal.0101', message: 'not ready: [x]' })],
  [
    '400 that is no JSON',
    answer(400, '<p>no</p>'),
    notCreated('misconfigured', { code: 'http_400', message: '<p>no</p>' }),
  ],
  ['400 cut by a reset', answerHalf(400, FAULT, 5, reset), notCreated('misconfigured', { code: 'http_400' })],
  [
    '401',
    answer(401, { error_code: 'iMetal.0003', error_msg: 'no' }),
    notCreated('unauthorized', { httpStatus: 401 }),
  ],
  [
    '403',
    answer(403, { error_code: 'iMetal.0004', error_msg: 'no' }),
    notCreated('forbidden', { httpStatus: 403 }),
  ],
  [
    '403 for the token',
    answer(403, { error_code: 'APIG.0307', error_msg: 'no' }),
    notCreated('unauthorized'),
  ],
  [
    '404 of CloudDC',
    answer(404, { error_code: 'iMetal.0100', error_msg: 'no such server' }),
    notCreated('refused', { code: 'iMetal.0100' }),
  ],
  [
    '404 of the gateway',
    answer(404, { error_code: 'APIGW.0101', error_msg: 'no such API' }),
    notCreated('misconfigured', { code: 'APIGW.0101' }),
  ],
  ['404 of a proxy', answer(404, '<h1>Not Found</h1>'), notCreated('misconfigured', { code: 'http_404' })],
  ['408', answer(408), unknown('timeout')],
  ['418', answer(418), unknown('unexpected_status')],
  [
    '429 with an object',
    answer(429, FAULT, { 'Retry-After': '3' }),
    notCreated('throttled', { retryAfterMs: 3000 }),
  ],
  ['429 with a JSON string', answer(429, '"slow down"'), notCreated('throttled', { message: 'slow down' })],
  ['429 with plain text', answer(429, 'slow down'), notCreated('throttled', { retryAfterMs: null })],
  ['429 without a body', answer(429), notCreated('throttled', { code: 'http_429', message: 'HTTP 429' })],
  ['499', answer(499), unknown('timeout')],
  ['500 with a long page', answer(500, `<p>${'x'.repeat(200_000)}</p>`), unknown('server_error')],
  [
    '500 with a page too long',
    answer(500, 'x'.repeat(2_000_000)),
    unknown('server_error', { httpStatus: 500 }),
  ],
  [
    '503 of the gateway, whatever it says',
    answer(503, { error_code: 'APIGW.0613', error_msg: '-' }),
    unknown('server_error', { closes: 'upstream_unavailable' }),
  ],
  [
    '500 of the gateway',
    answer(500, { error_code: 'APIGW.0611', error_msg: '-' }),
    unknown('server_error', { closes: 'misconfigured' }),
  ],
  ['504', answer(504), unknown('server_error', { httpStatus: 504 })],
]

it.each(cases)('an answer decides the outcome: %s', async (_, script, expected) => {
  cloud.setScript(script)
  const evidence = await clients.open(cloud.endpoint).batchCreate({ projectId: 'p1', body: BODY })
  expect(evidence.kind).toBe('response')
  expect(classifyOutcome(evidence, PROMISED)).toMatchObject(expected)
  expect(cloud.arrivals).toHaveLength(1)
})

it.each([405, 409, 413, 414, 415, 422, 494])('%i refuses', async (status) => {
  cloud.setScript(answer(status, FAULT))
  const evidence = await clients.open(cloud.endpoint).batchCreate({ projectId: 'p1', body: BODY })
  expect(classifyOutcome(evidence, PROMISED)).toMatchObject(notCreated('refused', { httpStatus: status }))
})

it('the request is what CloudDC documents', async () => {
  cloud.setScript(answer(202, CREATED, { 'X-Request-Id': 'req-1' }))
  const client = clients.open(`${cloud.endpoint}/base/`)
  const evidence = await client.batchCreate({ projectId: 'p 1', body: BODY })
  expect(evidence).toMatchObject({ upstreamRequestId: 'req-1', instanceIds: ['b', 'a'], status: 202 })
  expect(cloud.arrivals[0]).toMatchObject({
    method: 'POST',
    path: '/base/v1/p%201/instances/batch-create',
    body: BODY,
    headers: { 'content-type': 'application/json', 'x-auth-token': 'token-canary-5521' },
  })
})

function head(status: number): string {
  return `HTTP/1.1 ${status} A\r\nContent-Length: ${CREATED_TEXT.length}\r\n\r\n`
}
