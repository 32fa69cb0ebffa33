import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createApi, createOneRequestReads, REQUEST_PATH, setUpApi } from '../support/api-world.ts'
import { eventually } from '../support/eventually.ts'

describe('a stop', () => {
  test('answers those who wait, and ends', async () => {
    const { api, watcher } = setUpApi()
    await api.start()
    const replies = [1, 2, 3].map(() => fetch(`${api.url()}${REQUEST_PATH}?wait=60s`))
    await eventually(() => expect(watcher.size()).toBe(3))
    await api.stop()
    for (const reply of await Promise.all(replies)) {
      expect(reply.headers.get('connection')).toBe('close')
      expect(await reply.json()).toMatchObject({ state: 'queued' })
    }
  })

  test('says not ready first, on connections that then close', async () => {
    const { api } = setUpApi({}, { drainMs: 2000, checks: { database: () => undefined } })
    await api.start()
    const url = `${api.url()}/readyz`
    expect((await fetch(url)).status).toBe(200)
    void api.stop()
    const reply = await fetch(url)
    expect([reply.status, reply.headers.get('connection')]).toEqual([503, 'close'])
    expect(await reply.json()).toMatchObject({ errors: [{ path: 'process', message: 'is stopping' }] })
  })

  test('does not wait for clients that keep connections open, say nothing, or stop half-way', async () => {
    const { api } = setUpApi({}, { closeMs: 100 })
    await api.start()
    await fetch(`${api.url()}/healthz`, { keepalive: true })
    const { hostname, port } = new URL(api.url())
    const silent = connect(Number(port), hostname)
    const half = connect(Number(port), hostname)
    half.write('POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
    const ended = [silent, half].map(
      (socket) => new Promise((resolve) => socket.on('close', resolve).on('error', resolve).resume()),
    )
    await new Promise((resolve) => silent.on('connect', resolve))
    await api.stop()
    await Promise.all(ended)
  })

  test('may come before the start, and twice', async () => {
    const { api } = setUpApi()
    await Promise.all([api.stop(), api.stop()])
    await api.start()
    expect(api.app.server.listening).toBe(false)
    const other = setUpApi()
    await Promise.all([other.api.start(), other.api.stop()])
    expect(other.api.app.server.listening).toBe(false)
  })

  test('follows a start that failed', async () => {
    const first = setUpApi()
    await first.api.start()
    const { reads } = createOneRequestReads()
    const second = createApi(reads)
    Object.assign(second.api.app, { listen: () => Promise.reject(new Error('address in use')) })
    await expect(second.api.start()).rejects.toThrow('address in use')
    await second.api.stop()
  })
})
