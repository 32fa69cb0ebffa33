import { Pool } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { exchange } from '../../src/clouddc/exchange.ts'
import { createSlots } from '../../src/runtime/slots.ts'
import { createClients } from '../support/clouddc-client.ts'
import {
  answer,
  hang,
  inTurn,
  type Script,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const PAGE = { instances: [], page_info: {}, count: 0 }
const LONG_MS = 60_000

const clients = createClients()
let cloud: ScriptedCloudDc

beforeEach(async () => {
  cloud = await startScriptedCloudDc()
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
})

/** A script that answers when `give` is called. */
function held() {
  const { promise, resolve: give } = Promise.withResolvers<void>()
  const script: Script = (socket, arrival) => void promise.then(() => answer(200, PAGE)(socket, arrival))
  return { script, give }
}

/** Calls that share one connection. */
function sharing() {
  const dispatcher = new Pool(cloud.endpoint, { connections: 1 })
  const slots = createSlots({ slots: 1, maxWaiting: Number.POSITIVE_INFINITY })
  const get = (timeoutMs: number) =>
    exchange({
      dispatcher,
      slots,
      origin: cloud.endpoint,
      method: 'GET',
      path: '/',
      headers: {},
      authorize: async () => ({}),
      timeoutMs,
      maxBodyBytes: 1000,
    })
  return { get, close: () => dispatcher.close() }
}

it('a call whose time ends while others have all connections is never sent, and costs none', async () => {
  const { script, give } = held()
  cloud.setScript(inTurn(script, answer(200, PAGE)))
  const { get, close } = sharing()
  const first = get(LONG_MS)
  await cloud.arrived(1)
  const late = await Promise.all([get(1), get(1), get(1)])
  for (const result of late) {
    expect(result).toMatchObject({ kind: 'no_response', requestStarted: false, code: 'CALL_TIMEOUT' })
  }
  const next = get(LONG_MS)
  give()
  expect(await first).toMatchObject({ kind: 'response', status: 200 })
  expect(await next).toMatchObject({ kind: 'response', status: 200 })
  await close()
  expect(cloud.arrivals.map((arrival) => arrival.connection)).toEqual([1, 1])
})

it('a call that hangs hands its connection on when its time is over', async () => {
  cloud.setScript(hang)
  const { get, close } = sharing()
  const hanging = get(50)
  const next = get(LONG_MS)
  expect(await hanging).toMatchObject({ kind: 'no_response', code: 'CALL_TIMEOUT' })
  cloud.setScript(answer(200, PAGE))
  expect(await next).toMatchObject({ kind: 'response', status: 200 })
  await close()
})

it('reading calls of a client share its connections, however many come at once', async () => {
  cloud.setScript(answer(200, PAGE))
  const client = clients.open(cloud.endpoint, { connections: 3, callTimeoutMs: LONG_MS })
  await Promise.all(Array.from({ length: 30 }, () => client.listInstances({ projectId: 'p1' })))
  expect(cloud.arrivals).toHaveLength(30)
  expect(cloud.connections()).toBeLessThanOrEqual(3)
})

it('a client that is closed sends none of the calls that wait for a connection', async () => {
  const { script, give } = held()
  cloud.setScript(script)
  const client = clients.open(cloud.endpoint, { connections: 1, callTimeoutMs: LONG_MS })
  const first = client.listInstances({ projectId: 'p1' })
  await cloud.arrived(1)
  const waiting = client.listInstances({ projectId: 'p1' })
  const refused = expect(waiting).rejects.toMatchObject({ code: 'NOT_SENT' })
  const closed = client.close()
  give()
  await Promise.all([first, refused, closed])
  expect(cloud.arrivals).toHaveLength(1)
})
