import { errors, type Pool } from 'undici'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { classifyOutcome } from '../../src/attempt/outcome.ts'
import type { CloudDcClient } from '../../src/clouddc/client.ts'
import { createCreateConnections } from '../../src/clouddc/create-connections.ts'
import { createClients } from '../support/clouddc-client.ts'
import { eventually } from '../support/eventually.ts'
import {
  answer,
  answerAndHangUp,
  inTurn,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const ONE = { minCount: 1, maxCount: 1 }
const CALL = { projectId: 'p1', body: '{"name":"web"}' }
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

it('a server that closes after each answer costs no call its outcome', async () => {
  cloud.setScript(answerAndHangUp(202, CREATED))
  const client = clients.open(cloud.endpoint)
  const classes = new Set<string>()
  for (let call = 0; call < 200; call += 1)
    classes.add(classifyOutcome(await client.batchCreate(CALL), ONE).class)
  expect([...classes]).toEqual(['created'])
  expect(cloud.arrivals).toHaveLength(200)
})

it('each batch-create has a connection of its own, also many at once', async () => {
  cloud.setScript(answer(202, CREATED))
  const client = clients.open(cloud.endpoint)
  await client.batchCreate(CALL)
  await Promise.all(Array.from({ length: 20 }, () => client.batchCreate(CALL)))
  await client.batchCreate(CALL)
  expect(new Set(cloud.arrivals.map((arrival) => arrival.connection)).size).toBe(22)
})

/** Calls until the peer has proven that it leaves idle connections open. */
async function untilConnectionsAreKept(client: CloudDcClient): Promise<void> {
  await eventually(async () => {
    const before = cloud.connections()
    for (let call = 0; call < 5; call += 1) await client.batchCreate(CALL)
    expect(cloud.connections()).toBe(before)
  })
}

it('connections are kept once one has outlived its answer', async () => {
  cloud.setScript(answer(202, CREATED))
  const client = clients.open(cloud.endpoint)
  await untilConnectionsAreKept(client)
  const connections = cloud.connections()
  for (let call = 0; call < 100; call += 1) await client.batchCreate(CALL)
  // A connection that stands idle for too long, on a machine that stalls, is closed from here.
  expect(cloud.connections() - connections).toBeLessThan(20)
})

it('a server that announces each closing is asked again, and believed once it keeps connections open', async () => {
  cloud.setScript(answer(202, CREATED, { Connection: 'close' }))
  const client = clients.open(cloud.endpoint)
  for (let call = 0; call < 5; call += 1) await client.batchCreate(CALL)
  expect(cloud.connections()).toBe(5)
  cloud.setScript(answer(202, CREATED))
  await untilConnectionsAreKept(client)
})

it('a connection that the peer closes proves nothing, however long it stood open', async () => {
  let clock = 0
  const connections = createCreateConnections({ origin: cloud.endpoint, transport: {}, now: () => clock })
  const { dispatcher, end } = connections.take()
  end('answered')
  clock = 10_000
  // What undici tells of a connection that the peer has closed.
  const closed = new errors.SocketError('other side closed')
  ;(dispatcher as Pool).emit('disconnect', new URL(cloud.endpoint), [dispatcher], closed)
  // Connections are kept: both would share them. They are not: the first one is under proof again.
  expect(connections.take().dispatcher).not.toBe(connections.take().dispatcher)
  await connections.close()
})

it('one lost call on a kept connection ends the keeping, and is never taken for not sent', async () => {
  cloud.setScript(answer(202, CREATED))
  const client = clients.open(cloud.endpoint)
  await untilConnectionsAreKept(client)
  cloud.setScript(answerAndHangUp(202, CREATED))
  let unknown = 0
  for (let call = 0; call < 50; call += 1) {
    const before = cloud.arrivals.length
    const outcome = classifyOutcome(await client.batchCreate(CALL), ONE)
    if (cloud.arrivals.length > before) expect(outcome.class).not.toBe('not_created')
    if (outcome.class === 'unknown') unknown += 1
  }
  expect(unknown).toBeLessThanOrEqual(1)
})

it('a long answer that nobody reads to its end does not hold up the next call', async () => {
  cloud.setScript(inTurn(answer(500, 'x'.repeat(3_000_000)), answer(202, CREATED)))
  const client = clients.open(cloud.endpoint)
  expect(classifyOutcome(await client.batchCreate(CALL), ONE).class).toBe('unknown')
  expect(classifyOutcome(await client.batchCreate(CALL), ONE).class).toBe('created')
})

it('a TLS connection offers HTTP/1.1 only', async () => {
  let hello = ''
  const server = await startScriptedCloudDc({
    onFirstBytes: (socket, bytes) => {
      hello = bytes.toString('latin1')
      socket.destroy()
      return true
    },
  })
  await clients.open(`https://localhost:${server.port}`).batchCreate(CALL)
  expect(hello).toContain('\x08http/1.1')
  expect(hello).not.toContain('\x02h2')
  await server.close()
})
