import { describe, expect, test } from 'vitest'
import { createApi, createOneRequestReads, REQUEST_PATH, ROW_ID, setUpApi } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'

describe('a wait', () => {
  test('ends at once when the state is another already, or terminal, or the time is none', async () => {
    const { api, world } = setUpApi()
    expect((await api.app.inject(`${REQUEST_PATH}?wait=60s&since=dispatching`)).json().state).toBe('queued')
    expect((await api.app.inject(`${REQUEST_PATH}?wait=0s`)).json().state).toBe('queued')
    world.state = 'failed'
    expect((await api.app.inject(`${REQUEST_PATH}?wait=60s&since=failed`)).json().state).toBe('failed')
    expect(world.statesAsked).toEqual([])
  })

  test('holds the reply until the state changes', async () => {
    const { api, watcher, world } = setUpApi()
    await api.start()
    const reply = fetch(`${api.url()}${REQUEST_PATH}?wait=60s&since=queued`)
    await eventually(() => expect(watcher.size()).toBe(1))
    world.state = 'dispatching'
    watcher.notify(['p/order-1'])
    expect(await (await reply).json()).toMatchObject({ state: 'dispatching' })
    expect(watcher.size()).toBe(0)
  })

  test('goes on when the state has changed back before it was read', async () => {
    const { world, reads } = createOneRequestReads()
    let flickers = 1
    const { api, watcher } = createApi({
      ...reads,
      states: async (ids) => {
        const seen = await reads.states(ids)
        if (flickers > 0) seen.set(ROW_ID, 'dispatching')
        flickers -= 1
        return seen
      },
    })
    await api.start()
    const reply = fetch(`${api.url()}${REQUEST_PATH}?wait=60s`)
    await eventually(() => expect(world.statusReads).toBeGreaterThanOrEqual(2))
    await eventually(() => expect(watcher.size()).toBe(1))
    world.state = 'running'
    expect(await (await reply).json()).toMatchObject({ state: 'running' })
  })

  test('answers with the state as it is when the time is over', async () => {
    const { api } = setUpApi()
    expect((await api.app.inject(`${REQUEST_PATH}?wait=1ms`)).json().state).toBe('queued')
  })

  test('is given up when the client goes', async () => {
    const { api, watcher, metrics } = setUpApi()
    await api.start()
    const client = new AbortController()
    const reply = fetch(`${api.url()}${REQUEST_PATH}?wait=60s`, { signal: client.signal })
    await eventually(() => expect(watcher.size()).toBe(1))
    expect(await metrics.registry.metrics()).toContain('provisioner_http_waiters 1')
    client.abort()
    await expect(reply).rejects.toThrow()
    await eventually(() => expect(watcher.size()).toBe(0))
  })

  test('is refused with the time to come again when too many replies are held', async () => {
    const { world, reads } = createOneRequestReads()
    const { api, watcher, log } = createApi(reads, { maxHeld: 1 })
    const held = Promise.withResolvers<void>()
    const first = watcher.hold(null, () => held.promise)
    const refused = await api.app.inject(`${REQUEST_PATH}?wait=60s`)
    expect(refused.statusCode).toBe(503)
    expect(refused.headers['content-type']).toContain('application/problem+json')
    expect(refused.headers['retry-after']).toBe('1')
    expect(refused.json()).toMatchObject({ code: 'too_many_waiters' })
    expect(log()).not.toContain('"level":"warn"')
    expect(world.statusReads).toBe(0)
    // Who does not wait is answered.
    expect((await api.app.inject(REQUEST_PATH)).statusCode).toBe(200)
    held.resolve()
    await first
    expect((await api.app.inject(`${REQUEST_PATH}?wait=1ms`)).statusCode).toBe(200)
  })
})
