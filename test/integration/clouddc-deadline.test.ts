import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { classifyOutcome } from '../../src/attempt/outcome.ts'
import { CloudDcUnreachableError } from '../../src/clouddc/errors.ts'
import { createClients } from '../support/clouddc-client.ts'
import {
  answer,
  answerHalf,
  answerSlowly,
  hang,
  raw,
  type Script,
  type ScriptedCloudDc,
  startScriptedCloudDc,
} from '../support/scripted-clouddc.ts'

const ONE = { minCount: 1, maxCount: 1 }
const CALL = { projectId: 'p1', body: '{"name":"web"}' }
const CREATED = { instances: [{ id: 'a' }] }
const FAULT = { error_code: 'iMetal.0101', error_msg: 'not ready' }
const DEADLINE_MS = 60_000

const clients = createClients()
const realTimeout = globalThis.setTimeout
let cloud: ScriptedCloudDc

/** Timers stand still: a deadline passes when the test says so, sockets go on meanwhile. */
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  cloud = await startScriptedCloudDc()
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
  vi.useRealTimers()
})

const openClient = () => clients.open(cloud.endpoint, { callTimeoutMs: DEADLINE_MS })
const passDeadline = () => vi.advanceTimersByTime(DEADLINE_MS)

/** Resolves once a client of this process has read the head of an answer. */
function headIsRead(): Promise<void> {
  return new Promise((resolve) => {
    const read = () => {
      unsubscribe('undici:request:headers', read)
      resolve()
    }
    subscribe('undici:request:headers', read)
  })
}

describe('a call whose deadline passes', () => {
  const silences: [name: string, script: Script][] = [
    ['without an answer', hang],
    ['with half a head', raw('HTTP/1.1 202 Accepted\r\nContent-')],
    ['with 103 only', raw('HTTP/1.1 103 Early Hints\r\n\r\n')],
  ]

  it.each(silences)('%s is of unknown outcome', async (_, script) => {
    cloud.setScript(script)
    const call = openClient().batchCreate(CALL)
    await cloud.arrived(1)
    passDeadline()
    const evidence = await call
    expect(evidence).toMatchObject({ kind: 'no_response', requestStarted: true, code: 'CALL_TIMEOUT' })
    expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'unknown', reason: 'timeout' })
    expect(cloud.arrivals).toHaveLength(1)
  })

  const parts: [name: string, script: Script, outcome: object][] = [
    ['a 202', answerHalf(202, CREATED, 10, hang), { class: 'unknown', reason: 'unreadable_answer' }],
    ['a 202 without end', answerSlowly(202), { class: 'unknown', reason: 'unreadable_answer' }],
    ['a 400', answerHalf(400, FAULT, 5, hang), { class: 'not_created', reason: 'misconfigured' }],
  ]

  it.each(parts)('in the middle of %s goes by its status', async (_, script, outcome) => {
    cloud.setScript(script)
    const head = headIsRead()
    const call = openClient().batchCreate(CALL)
    await head
    passDeadline()
    const evidence = await call
    expect(evidence.kind).toBe('response')
    expect(classifyOutcome(evidence, ONE)).toMatchObject(outcome)
  })

  it('fails when it was for reading', async () => {
    const failed = openClient()
      .listInstances({ projectId: 'p1' })
      .catch((error: unknown) => error)
    await cloud.arrived(1)
    passDeadline()
    const error = await failed
    expect(error).toBeInstanceOf(CloudDcUnreachableError)
    expect(error).toMatchObject({ code: 'CALL_TIMEOUT' })
  })

  it('counts as answered when the answer has arrived, though nobody had time to read it', async () => {
    cloud.setScript((socket, arrival) => {
      answer(202, CREATED)(socket, arrival)
      // Busy until the deadline is due too: timers come first, then what sockets have.
      realTimeout(passDeadline, 1)
      for (const until = performance.now() + 20; performance.now() < until; );
    })
    expect(classifyOutcome(await openClient().batchCreate(CALL), ONE)).toMatchObject({ class: 'created' })
  })

  it('holds up no other, and is waited for by close, which may be called twice', async () => {
    const client = openClient()
    const hanging = [client.batchCreate(CALL), client.batchCreate(CALL), client.batchCreate(CALL)]
    await cloud.arrived(3)
    cloud.setScript(answer(202, CREATED))
    expect(classifyOutcome(await client.batchCreate(CALL), ONE).class).toBe('created')
    expect(cloud.arrivals).toHaveLength(4)

    let ended = 0
    for (const call of hanging) void call.then(() => (ended += 1))
    const closed = Promise.all([client.close(), client.close()])
    passDeadline()
    await closed
    expect(ended).toBe(3)
    for (const evidence of await Promise.all(hanging)) {
      expect(classifyOutcome(evidence, ONE)).toMatchObject({ class: 'unknown', reason: 'timeout' })
    }
  })
})
