import { afterEach, beforeEach, expect, it } from 'vitest'
import { CloudDcError } from '../../src/clouddc/errors.ts'
import { createClients, TOKEN } from '../support/clouddc-client.ts'
import {
  answer,
  answerHalf,
  raw,
  reset,
  type Script,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const PASSWORD = 'Canary"=1<pass>/{?}'
const BODY = JSON.stringify({ name: 'web', password: PASSWORD, description: 'd' })
/** In no spelling of the password does this part change. */
const CORE = 'Canary'

const clients = createClients()
let cloud: ScriptedCloudDc

beforeEach(async () => {
  cloud = await startScriptedCloudDc()
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
})

const quotations: [name: string, script: Script][] = [
  ['in the message', answer(400, { error_code: 'x', error_msg: `bad password ${PASSWORD} given` })],
  ['as the code', answer(400, { error_code: PASSWORD, error_msg: 'x' })],
  ['as the request id', answer(400, { error_code: 'x', error_msg: 'x', request_id: PASSWORD })],
  ['as the whole body', answer(500, BODY)],
  ['as a quoted body', answer(400, { error_code: 'x', error_msg: `cannot read ${BODY}` })],
  ['as a body quoted twice', answer(400, `cannot read ${JSON.stringify(JSON.stringify({ b: BODY }))}`)],
  ['as a body written otherwise', answer(400, `got {'password' : '${PASSWORD.slice(0, 9)}...'}`)],
  [
    'in HTML',
    answer(502, `<p>${PASSWORD.replace('"', '&quot;').replace('<', '&lt;').replace('>', '&gt;')}</p>`),
  ],
  ['in a URL', answer(400, `/x?p=${encodeURIComponent(PASSWORD)}`)],
  ['in careful JSON', answer(400, `bad: Canary\\"\\u003d1\\u003cpass\\u003e/{?}`)],
  ['in a body cut short', answerHalf(400, `bad ${PASSWORD}`, 12, reset)],
  ['in a success', answer(202, BODY)],
  ['in garbage', raw(`${PASSWORD}\r\n\r\n`)],
  ['with the token', answer(401, { error_code: 'APIGW.0301', error_msg: `decrypt ${TOKEN} fail` })],
]

it.each(quotations)('an answer that quotes a secret leaves none in the evidence: %s', async (_, script) => {
  cloud.setScript(script)
  const evidence = await clients.open(cloud.endpoint).batchCreate({ projectId: 'p1', body: BODY })
  const text = JSON.stringify(evidence)
  expect(text).not.toContain(CORE)
  expect(text).not.toContain(TOKEN)
})

it('the words around a secret stay', async () => {
  cloud.setScript(answer(400, { error_code: 'x', error_msg: `bad password ${PASSWORD} given` }))
  const evidence = await clients.open(cloud.endpoint).batchCreate({ projectId: 'p1', body: BODY })
  expect(evidence).toMatchObject({ code: 'x', message: 'bad password [redacted] given' })
})

it.each([...quotations, ['as the code', answer(500, { error_code: TOKEN, error_msg: PASSWORD })] as const])(
  'a reading call that fails has nothing of what was said in its error but a code: %s',
  async (_, script) => {
    cloud.setScript(script)
    const listing = clients.open(cloud.endpoint).listInstances({ projectId: 'p1' })
    const error: unknown = await listing.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CloudDcError)
    const { message, code } = error as CloudDcError
    for (const secret of [CORE, TOKEN]) expect(`${message} ${code}`).not.toContain(secret)
  },
)

it('a reading call that fails names the status and the code', async () => {
  cloud.setScript(answer(401, { error_code: 'APIGW.0301', error_msg: `decrypt ${TOKEN} fail` }))
  const listing = clients.open(cloud.endpoint).listInstances({ projectId: 'p1' })
  await expect(listing).rejects.toThrow(/^HTTP 401 APIGW.0301$/)
})

it('words fit to be stored: no control characters, no half characters, a bounded length', async () => {
  cloud.setScript(answer(400, { error_code: 'a\u0000b', error_msg: `\u0000${'😀'.repeat(2000)}` }))
  const evidence = await clients.open(cloud.endpoint).batchCreate({ projectId: 'p1', body: BODY })
  expect(evidence).toMatchObject({ code: 'a b' })
  expect(evidence.message.length).toBeLessThanOrEqual(1000)
  expect(evidence.message.isWellFormed()).toBe(true)
  expect(evidence.message).not.toMatch(/\p{Cc}/u)
})
