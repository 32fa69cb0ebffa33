import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { FaultScript } from '../faults.ts'
import { goodBody, startCaller } from './caller.ts'

const creating = (script: Omit<FaultScript, 'operation'>): FaultScript => ({
  ...script,
  operation: 'RunInstances',
})

/** Sends one request over a plain socket and gives the bytes that came before the end, and how it ended. */
function raw(url: string, path: string, body: string): Promise<{ bytes: string; error: string | undefined }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let bytes = ''
    let error: string | undefined
    const socket = connect(Number(port), hostname)
    socket.on('data', (chunk) => {
      bytes += chunk
    })
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      error = cause.code
    })
    socket.on('close', () => resolve({ bytes, error }))
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  })
}
const runPath = '/v1/p/instances/batch-create'
const goodText = JSON.stringify(goodBody)

describe('scripted faults', () => {
  it('strike exactly the next matching calls, in order', async () => {
    const { simulator, create, call } = await startCaller()
    simulator.faults.add(creating({ kind: 'error_before', project: 'q' }))
    const fault = simulator.faults.add(creating({ kind: 'error_before', skip: 1, count: 2 }))
    expect((await call('GET', '/v1/p/instances')).status).toBe(200)
    const statuses = []
    for (let n = 0; n < 4; n += 1) statuses.push((await create()).status)
    expect(statuses).toEqual([202, 500, 500, 202])
    expect(fault.hits).toBe(2)
    expect((await call('POST', '/v1/q/instances/batch-create', goodBody)).status).toBe(500)
  })

  it('are not used up by calls that limiter or authentication refuse', async () => {
    const { simulator, create } = await startCaller({ authTokens: ['t'] })
    const fault = simulator.faults.add(creating({ kind: 'cut_after' }))
    expect((await create()).status).toBe(401)
    expect(fault.hits).toBe(0)
  })

  it('error_after never says that nothing was forwarded', async () => {
    const { simulator, create } = await startCaller()
    simulator.faults.add(creating({ kind: 'error_before', status: 503 }))
    simulator.faults.add(creating({ kind: 'error_after', status: 503 }))
    expect((await create()).json).toMatchObject({ error_code: 'APIGW.0613' })
    const after = await create()
    expect(after.status).toBe(503)
    expect(after.headers.get('content-type')).toBe('text/html')
  })

  it('error_before creates nothing, error_after creates and hides it', async () => {
    const { simulator, create } = await startCaller()
    simulator.faults.add(creating({ kind: 'error_before', status: 503 }))
    simulator.faults.add(creating({ kind: 'error_after' }))
    expect(await create()).toMatchObject({ status: 503, json: { error_code: 'APIGW.0613' } })
    expect(simulator.ledger.instances()).toEqual([])
    expect(await create()).toMatchObject({ status: 500, json: { error_code: 'iMetal.0099' } })
    expect(simulator.ledger.instances()).toHaveLength(1)
    const [, second] = simulator.ledger.calls()
    expect(second).toMatchObject({ status: 500, fault: 'error_after', error_code: 'iMetal.0099' })
    expect(second?.instance_ids).toHaveLength(1)
  })

  it('answers with the given status, body and headers', async () => {
    const { simulator, create } = await startCaller()
    simulator.faults.add(creating({ kind: 'error_after', status: 202, body: '{"instances":[{"i' }))
    simulator.faults.add(
      creating({
        kind: 'error_before',
        status: 429,
        body: { a: 1 },
        retry_after: 7,
        headers: { 'X-A': 'b' },
      }),
    )
    simulator.faults.add(creating({ kind: 'error_before', status: 502 }))
    expect(await create()).toMatchObject({ status: 202, text: '{"instances":[{"i' })
    expect(simulator.ledger.instances()).toHaveLength(1)
    const throttled = await create()
    expect(throttled).toMatchObject({ status: 429, json: { a: 1 } })
    expect(throttled.headers.get('retry-after')).toBe('7')
    expect(throttled.headers.get('x-a')).toBe('b')
    const balancer = await create()
    expect(balancer.status).toBe(502)
    expect(balancer.headers.get('content-type')).toBe('text/html')
  })

  it('cuts before reading: nothing is created', async () => {
    const { simulator } = await startCaller()
    simulator.faults.add(creating({ kind: 'cut_before' }))
    expect((await raw(simulator.url, runPath, goodText)).bytes).toBe('')
    expect(simulator.ledger.calls()).toMatchObject([{ cut: 'before', status: null, body_bytes: 0 }])
    expect(simulator.ledger.instances()).toEqual([])
  })

  it.each([
    [true, 'ECONNRESET'],
    [false, undefined],
  ])('cuts after creating without an answer (reset: %s)', async (reset, error) => {
    const { simulator } = await startCaller()
    simulator.faults.add(creating({ kind: 'cut_after', reset }))
    expect(await raw(simulator.url, runPath, goodText)).toEqual({ bytes: '', error })
    expect(simulator.ledger.calls()).toMatchObject([{ cut: 'after', status: null, fault: 'cut_after' }])
    expect(simulator.ledger.instances()).toHaveLength(1)
  })

  it('cuts half-way through the answer', async () => {
    const { simulator } = await startCaller()
    simulator.faults.add(creating({ kind: 'cut_half' }))
    const { bytes } = await raw(simulator.url, runPath, goodText)
    const [head = '', body = ''] = bytes.split('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
    expect(head).toContain('HTTP/1.1 202')
    expect(body).toHaveLength(length >> 1)
    expect(simulator.ledger.calls()).toMatchObject([{ cut: 'half', status: 202 }])
    expect(simulator.ledger.instances()).toHaveLength(1)
  })

  it('closes after a whole answer without announcing it', async () => {
    const { simulator } = await startCaller()
    simulator.faults.add(creating({ kind: 'close_after' }))
    const { bytes } = await raw(simulator.url, runPath, goodText)
    expect(bytes).toContain('Connection: keep-alive')
    expect(bytes).toMatch(/"instances":\[\{"id":"[^"]+"\}\]\}$/)
  })

  it.each([
    ['before', 0],
    ['after', 1],
  ] as const)('holds a call %s its work until released', async (phase, created) => {
    const { simulator, create } = await startCaller()
    const fault = simulator.faults.add(creating({ kind: 'hold', phase }))
    const answer = create()
    await simulator.faults.struck(fault.id)
    expect(simulator.faults.list()[0]?.held).toBe(1)
    expect(simulator.stats().in_flight).toBe(1)
    expect(simulator.ledger.instances()).toHaveLength(created)
    expect(simulator.faults.release(fault.id)).toBe(1)
    expect((await answer).status).toBe(202)
    expect(simulator.ledger.instances()).toHaveLength(1)
  })

  it.each([
    ['before', 0],
    ['after', 1],
  ] as const)('delays a call %s its work', async (phase, created) => {
    const { simulator, create } = await startCaller()
    const fault = simulator.faults.add(creating({ kind: 'latency', latency_ms: 1, phase }))
    expect((await create()).status).toBe(202)
    const long = simulator.faults.add(creating({ kind: 'latency', latency_ms: 1e9, phase }))
    const answer = create().catch((error: Error) => error)
    await simulator.faults.struck(long.id)
    await expect.poll(() => simulator.ledger.calls()[1]?.body_bytes).toBeGreaterThan(0)
    expect(simulator.ledger.instances()).toHaveLength(1 + created)
    await simulator.close()
    expect(await answer).toBeInstanceOf(Error)
    expect(fault.hits).toBe(1)
  })

  it('notes a caller that went away', async () => {
    const { simulator } = await startCaller()
    const fault = simulator.faults.add(creating({ kind: 'hold' }))
    const abort = new AbortController()
    const answer = fetch(simulator.url + runPath, { method: 'POST', body: goodText, signal: abort.signal })
    await simulator.faults.struck(fault.id)
    abort.abort()
    await expect(answer).rejects.toThrow()
    await expect.poll(() => simulator.ledger.calls()[0]?.caller_gone).toBe(true)
    simulator.faults.release(fault.id)
    expect(simulator.ledger.instances()).toHaveLength(1)
  })

  it('shortens a page, honestly or claiming the end', async () => {
    const { simulator, createIds, call } = await startCaller()
    const ids = await createIds({ min_count: 20, max_count: 20 })
    simulator.faults.add({ kind: 'truncate', keep: 3 })
    simulator.faults.add({ kind: 'truncate', keep: 3, end: true })
    const honest = (await call('GET', '/v1/p/instances?limit=100')).json
    expect(honest.instances).toHaveLength(3)
    expect(honest.page_info.next_marker).toBe(ids[2])
    const lying = (await call('GET', '/v1/p/instances?limit=100')).json
    expect(lying.instances).toHaveLength(3)
    expect(lying.page_info.next_marker).toBeUndefined()
    expect(lying.count).toBe(20)
    expect((await call('GET', '/v1/p/instances?limit=100')).json.instances).toHaveLength(20)
  })

  it('hides new instances from one listing', async () => {
    const { simulator, createIds, advance, call } = await startCaller()
    const [old] = await createIds()
    advance(1000)
    await createIds()
    simulator.faults.add({ kind: 'hide', newer_than_ms: 1000 })
    expect((await call('GET', '/v1/p/instances')).json).toMatchObject({ instances: [{ id: old }], count: 1 })
    expect((await call('GET', '/v1/p/instances')).json.count).toBe(2)
  })

  it('lists the instances of one create late', async () => {
    const { simulator, createIds, advance, call } = await startCaller()
    simulator.faults.add({ kind: 'late', visible_after_ms: 500 })
    await createIds()
    expect((await call('GET', '/v1/p/instances')).json.count).toBe(0)
    advance(500)
    expect((await call('GET', '/v1/p/instances')).json.count).toBe(1)
  })

  it('decides how the instances of one create boot', async () => {
    const { simulator, createIds, advance } = await startCaller({ bootFailureProbability: 1 })
    simulator.faults.add({ kind: 'boot', boot_ms: 10, boot_failures: 1 })
    await createIds({ min_count: 3, max_count: 3 })
    advance(10)
    const states = simulator.ledger.instances().map(({ state }) => state)
    expect(states).toEqual(['error', 'running', 'running'])
  })

  it.each([
    ['fewer', ['a']],
    ['none', []],
    ['twice', ['a', 'b', 'a']],
    ['more', ['a', 'b', 'c', 'stranger']],
    ['unusable', ['a', 'b', '']],
  ] as const)('answers with a 202 that names %s of what it made', async (names, expected) => {
    const { simulator, create } = await startCaller()
    simulator.faults.add({ kind: 'misname', names })
    const answer = await create({ min_count: 3, max_count: 3 })
    const [call] = simulator.ledger.calls()
    expect(call).toMatchObject({ status: 202, fault: 'misname' })
    const letters = new Map(call?.instance_ids.map((id, place) => [id, 'abc'[place]]))
    const named = answer.json.instances.map(({ id }: { id: string }) =>
      id === '' ? '' : (letters.get(id) ?? 'stranger'),
    )
    expect(named).toEqual(expected)
    expect(simulator.ledger.instances()).toHaveLength(3)
  })

  it('are refused when they make no sense', async () => {
    const { simulator } = await startCaller()
    expect(() => simulator.faults.add({ kind: 'explode' } as unknown as FaultScript)).toThrow('kind')
    expect(() => simulator.faults.add({ kind: 'hold', counts: 2 } as FaultScript)).toThrow('counts')
    await expect(simulator.faults.struck(99)).rejects.toThrow('not known')
  })
})

describe('faults by chance', () => {
  const strikes = async (seed: number, calls = 200) => {
    const { simulator, call } = await startCaller({
      seed,
      faultErrorBefore: 0.1,
      faultErrorAfter: 0.1,
      faultCutBefore: 0.1,
      faultCutAfter: 0.1,
      faultCutHalf: 0.1,
      faultStatuses: [500, 502, 503, 504],
    })
    for (let n = 0; n < calls; n += 1) await call('POST', runPath, goodBody).catch(() => undefined)
    return simulator.ledger.calls().map(({ fault, status }) => `${fault} ${status}`)
  }

  it('follow the seed and their probabilities', async () => {
    const first = await strikes(7)
    expect(await strikes(7, 60)).toEqual(first.slice(0, 60))
    expect(await strikes(8, 60)).not.toEqual(first.slice(0, 60))
    for (const kind of ['error_before', 'error_after', 'cut_before', 'cut_after', 'cut_half', 'null']) {
      const share = first.filter((strike) => strike.startsWith(kind)).length / first.length
      expect(share).toBeGreaterThan(kind === 'null' ? 0.35 : 0.03)
      expect(share).toBeLessThan(kind === 'null' ? 0.65 : 0.2)
    }
    expect(new Set(first.filter((strike) => strike.startsWith('error_before'))).size).toBeGreaterThan(2)
  })

  it('leave other operations alone unless told otherwise', async () => {
    const create = await startCaller({ faultErrorBefore: 1 })
    expect((await create.call('GET', '/v1/p/instances')).status).toBe(200)
    expect((await create.create()).status).toBe(500)
    const all = await startCaller({ faultErrorBefore: 1, faultScope: 'all' })
    expect((await all.call('GET', '/v1/p/instances')).status).toBe(500)
  })
})
