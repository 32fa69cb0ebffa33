import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { classifyOutcome } from '../../src/attempt/outcome.ts'
import { authBy } from '../support/auth.ts'
import { createClients } from '../support/clouddc-client.ts'
import {
  answer,
  hangUp,
  raw,
  reset,
  type Script,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const ONE = { minCount: 1, maxCount: 1 }
const CALL = { projectId: 'p1', body: JSON.stringify({ name: 'web', password: 'Canary=1<pass>' }) }
const CREATED = { instances: [{ id: 'a' }] }

const clients = createClients()
let cloud: ScriptedCloudDc

beforeEach(async () => {
  cloud = await startScriptedCloudDc()
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
})

describe('without an answer, once the request was started, the outcome is unknown', () => {
  const cases: [name: string, script: Script, outcome: object][] = [
    ['the connection is closed', hangUp, { reason: 'connection_lost' }],
    ['the connection is reset', reset, { reason: 'connection_lost' }],
    ['garbage', raw('SSH-2.0-OpenSSH_9.2\r\n'), { reason: 'unreadable_answer' }],
    ['only 100', raw('HTTP/1.1 100 Continue\r\n\r\n'), { class: 'unknown' }],
    ['an upgrade', raw('HTTP/1.1 101 A\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'), { class: 'unknown' }],
    ['a head too long', raw(`HTTP/1.1 202 A\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`), { class: 'unknown' }],
    [
      'two lengths',
      raw('HTTP/1.1 202 A\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}'),
      { class: 'unknown' },
    ],
  ]

  it.each(cases)('%s', async (_, script, expected) => {
    cloud.setScript(script)
    const evidence = await clients.open(cloud.endpoint).batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: true })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'unknown', ...expected })
    expect(cloud.arrivals).toHaveLength(1)
  })

  it('the connection is reset in the middle of a long request', async () => {
    const server = await startScriptedCloudDc({
      onFirstBytes: (socket) => {
        socket.resetAndDestroy()
        return true
      },
    })
    const body = JSON.stringify({ description: 'x'.repeat(8_000_000) })
    const evidence = await clients.open(server.endpoint).batchCreate({ projectId: 'p1', body })
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: true })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'unknown', reason: 'connection_lost' })
    await server.close()
  })
})

describe('before the request was started, nothing was created', () => {
  it('the connection is refused', async () => {
    const evidence = await clients.open(`http://127.0.0.1:${await closedPort()}`).batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: false, code: 'ECONNREFUSED' })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'not_created', reason: 'unreachable' })
  })

  it('the name is unknown', async () => {
    const evidence = await clients.open('http://clouddc.invalid').batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: false })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'not_created', reason: 'unreachable' })
  })

  it('the server does not speak TLS', async () => {
    const server = await startScriptedCloudDc({
      onFirstBytes: (socket) => {
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
        return true
      },
    })
    const evidence = await clients.open(`https://127.0.0.1:${server.port}`).batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: false })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'not_created', reason: 'unreachable' })
    await server.close()
  })

  it('the TLS handshake hangs until the deadline', async () => {
    const server = await startScriptedCloudDc({ onFirstBytes: () => true })
    const client = clients.open(`https://127.0.0.1:${server.port}`, { callTimeoutMs: 400 })
    const evidence = await client.batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: false, code: 'CALL_TIMEOUT' })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'not_created', reason: 'unreachable' })
    await server.close()
  })

  it('beforeWrite refuses: nothing arrives, and the next call is made on another connection', async () => {
    cloud.setScript(answer(202, CREATED))
    const client = clients.open(cloud.endpoint)
    const refused = await client.batchCreate({
      ...CALL,
      beforeWrite: () => {
        throw new Error('the lease is lost')
      },
    })
    expect(refused).toEqual({
      kind: 'no_response',
      requestStarted: false,
      code: 'NOT_SENT',
      message: 'the lease is lost',
    })
    expect(classifyOutcome(refused, ONE)).toMatchObject({ class: 'not_created', reason: 'not_sent' })
    expect(classifyOutcome(await client.batchCreate(CALL), ONE)).toMatchObject({ class: 'created' })
    expect(cloud.arrivals.map((arrival) => arrival.connection)).toEqual([2])
  })

  it('the token cannot be read', async () => {
    const auth = authBy({ kind: 'token', token: { file: '/nonexistent/token' } })
    const evidence = await clients.open(cloud.endpoint, { auth }).batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: false, code: 'NO_CREDENTIAL' })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'not_created', reason: 'unauthorized' })
    expect(cloud.connections()).toBe(0)
  })

  it('the token does not come before the deadline: the call is never made', async () => {
    let giveToken: (headers: Record<string, string>) => void = () => undefined
    const headersFor = () => new Promise<Record<string, string>>((resolve) => (giveToken = resolve))
    const auth = {
      headersFor,
      refused: async () => false,
      answered: () => undefined,
      credentialOf: () => 'c',
      isShared: () => true,
    }
    const client = clients.open(cloud.endpoint, { auth, callTimeoutMs: 20 })
    const evidence = await client.batchCreate(CALL)
    giveToken({})
    expect(evidence).toMatchObject({ requestStarted: false, code: 'CALL_TIMEOUT' })
    await client.close()
    expect(cloud.connections()).toBe(0)
  })

  it('the client is closed', async () => {
    const client = clients.open(cloud.endpoint)
    await client.close()
    const evidence = await client.batchCreate(CALL)
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: false, code: 'NOT_SENT' })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'not_created', reason: 'not_sent' })
  })
})

it('a connection that is reset when accepted leaves evidence that agrees with what arrived', async () => {
  const server = await startScriptedCloudDc({ onAccept: (socket) => socket.resetAndDestroy() })
  const evidence = await clients.open(server.endpoint).batchCreate(CALL)
  if (evidence.kind !== 'no_response') throw new Error('answered')
  // The reset may come before undici starts the request, or after.
  expect(classifyOutcome(evidence, ONE).class).toBe(evidence.requestStarted ? 'unknown' : 'not_created')
  expect(server.arrivals).toHaveLength(0)
  await server.close()
})

it('beforeWrite runs once, before anything arrives', async () => {
  cloud.setScript(answer(202, CREATED))
  const seen: number[] = []
  await clients
    .open(cloud.endpoint)
    .batchCreate({ ...CALL, beforeWrite: () => seen.push(cloud.arrivals.length) })
  expect(seen).toEqual([0])
})

async function closedPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
