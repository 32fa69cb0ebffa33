import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let echo: Server
let proxy: TcpProxy
const clients: Client[] = []

interface Client {
  socket: Socket
  received: () => string
  ended: () => 'open' | 'end' | 'reset'
}

beforeEach(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const address = echo.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  proxy = await createTcpProxy({ target: { host: '127.0.0.1', port: address.port } })
})

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy()
  await proxy.close()
  echo.close()
})

function open(): Client {
  const socket = connect({ host: proxy.host, port: proxy.port, allowHalfOpen: true })
  let received = ''
  let ended: 'open' | 'end' | 'reset' = 'open'
  socket.on('data', (chunk) => {
    received += chunk.toString()
  })
  socket.on('end', () => {
    ended = 'end'
  })
  socket.on('error', () => {
    ended = 'reset'
  })
  const client = { socket, received: () => received, ended: () => ended }
  clients.push(client)
  return client
}

const receives = (client: Client, text: string) => eventually(() => expect(client.received()).toBe(text))
const ends = (client: Client, how: string) => eventually(() => expect(client.ended()).toBe(how))

describe('the TCP proxy', () => {
  it('passes both directions, and the end of each by itself', async () => {
    const client = open()
    client.socket.end('hello')
    await receives(client, 'hello')
    await ends(client, 'end')
    expect([proxy.forwarded('up'), proxy.forwarded('down')]).toEqual([5, 5])
  })

  it('passes more than it may hold', async () => {
    const client = open()
    const text = 'x'.repeat(5_000_000)
    client.socket.end(text)
    await ends(client, 'end')
    expect(client.received()).toBe(text)
  })

  it('cuts by reset or in good order, and takes new connections', async () => {
    const first = open()
    first.socket.write('a')
    await receives(first, 'a')
    proxy.cut()
    await ends(first, 'reset')
    const second = open()
    second.socket.write('b')
    await receives(second, 'b')
    proxy.cut('fin')
    await ends(second, 'end')
    expect(proxy.connections()).toBe(0)
  })

  it('holds back what comes while it is frozen, also the end', async () => {
    const client = open()
    client.socket.write('a')
    await receives(client, 'a')
    proxy.freeze('down')
    client.socket.end('b')
    await eventually(() => expect(proxy.forwarded('up')).toBe(2))
    expect([client.received(), client.ended()]).toEqual(['a', 'open'])
    proxy.pass()
    await receives(client, 'ab')
    await ends(client, 'end')
  })

  it('strands the connections there are, and passes new ones', async () => {
    const stranded = open()
    stranded.socket.write('a')
    await receives(stranded, 'a')
    proxy.strand()
    stranded.socket.write('b')
    const next = open()
    next.socket.write('c')
    await receives(next, 'c')
    proxy.pass()
    next.socket.write('d')
    await receives(next, 'cd')
    expect([stranded.received(), proxy.forwarded('up')]).toEqual(['a', 3])
  })

  it('delays without losing or reordering, also at the end', async () => {
    proxy.delay(20)
    const client = open()
    for (const text of ['a', 'b', 'c']) client.socket.write(text)
    client.socket.end('d')
    await receives(client, 'abcd')
    await ends(client, 'end')
  })

  it('cuts after a number of bytes', async () => {
    proxy.dropAfter(3, 'down')
    const client = open()
    client.socket.write('hello')
    await ends(client, 'reset')
    expect(client.received()).toBe('hel')
    const next = open()
    next.socket.write('again')
    await receives(next, 'again')
  })

  it('passes nothing more of a connection once it has dropped something', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const client = open()
    proxy.delay(30, 'down')
    for (const [text, sent] of [
      ['hello', 5],
      ['again', 10],
    ] as const) {
      client.socket.write(text)
      await eventually(() => expect(proxy.forwarded('up')).toBe(sent), { pollMs: 1 })
    }
    proxy.dropAfter(3, 'down')
    // Chunks that have come due go through in one turn; an echo may still be on its way back.
    await eventually(() => {
      vi.advanceTimersByTime(60)
      expect(client.ended()).toBe('reset')
    })
    expect(client.received()).toBe('hel')
  })

  it('swallows after a number of bytes', async () => {
    proxy.dropAfter(3, 'up', 'swallow')
    const client = open()
    client.socket.write('hello')
    await receives(client, 'hel')
    proxy.pass()
    client.socket.write('!')
    await receives(client, 'hel!')
  })

  it('refuses or ignores new connections', async () => {
    proxy.refuse()
    const refused = open()
    await ends(refused, 'reset')
    expect(proxy.refused()).toBe(1)
    proxy.ignore()
    const ignored = open()
    ignored.socket.write('a')
    await eventually(() => expect(proxy.connections()).toBe(1))
    proxy.pass()
    const welcome = open()
    welcome.socket.write('b')
    await receives(welcome, 'b')
    expect([ignored.received(), ignored.ended()]).toEqual(['', 'open'])
  })

  it('passes on that the server is unreachable', async () => {
    echo.close()
    await ends(open(), 'reset')
  })
})
