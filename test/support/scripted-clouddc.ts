import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A request as it arrived, whole. */
export interface Arrival {
  /** Number of its connection, from 1. */
  connection: number
  method: string
  /** With its query. */
  path: string
  headers: Record<string, string>
  body: string
  /** performance.now() when its last byte arrived. */
  at: number
}

export type Script = (socket: Socket, arrival: Arrival) => void

export interface ScriptedCloudDcOptions {
  /** What to do with each whole request. */
  script?: Script
  /** Runs when a connection is accepted, before anything is read. */
  onAccept?: (socket: Socket) => void
  /** Runs at the first bytes of a connection, whatever they are; returns true when they are not to be read as HTTP. */
  onFirstBytes?: (socket: Socket, bytes: Buffer) => boolean
}

export interface ScriptedCloudDc {
  endpoint: string
  port: number
  arrivals: Arrival[]
  connections(): number
  setScript(script: Script): void
  /** Resolves once `count` requests have arrived since the start. */
  arrived(count: number): Promise<void>
  close(): Promise<void>
}

/** A raw socket in CloudDC's place that answers, or does not, as each test says. It knows nothing of the API. */
export async function startScriptedCloudDc(options: ScriptedCloudDcOptions = {}): Promise<ScriptedCloudDc> {
  let script = options.script ?? hang
  let connections = 0
  const arrivals: Arrival[] = []
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()

  const server = createServer({ noDelay: true }, (socket) => {
    connections += 1
    const connection = connections
    let received = Buffer.alloc(0)
    let foreign = false
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      if (received.length === 0 && !foreign) foreign = options.onFirstBytes?.(socket, bytes) ?? false
      if (foreign) return
      received = Buffer.concat([received, bytes])
      for (let read = readRequest(received); read !== null; read = readRequest(received)) {
        received = received.subarray(read.length)
        const arrival = { ...read.request, connection, at: performance.now() }
        arrivals.push(arrival)
        for (const wake of waiting) wake()
        script(socket, arrival)
      }
    })
    options.onAccept?.(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    arrivals,
    connections: () => connections,
    setScript: (next) => {
      script = next
    },
    arrived: (count) =>
      new Promise((resolve) => {
        const check = () => {
          if (arrivals.length < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function readRequest(bytes: Buffer): { request: Omit<Arrival, 'connection' | 'at'>; length: number } | null {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const [requestLine = '', ...headerLines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(
    headerLines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const bodyStart = headEnd + 4
  const length = bodyStart + Number(headers['content-length'] ?? 0)
  if (bytes.length < length) return null
  const [method = '', path = ''] = requestLine.split(' ')
  return { request: { method, path, headers, body: bytes.subarray(bodyStart, length).toString() }, length }
}

/** Says nothing and leaves the connection open. */
export const hang: Script = () => undefined

export const reset: Script = (socket) => {
  socket.resetAndDestroy()
}

/** Ends the connection in good order, without an answer. */
export const hangUp: Script = (socket) => {
  socket.end()
}

/** Bytes as they are. */
export function raw(bytes: string): Script {
  return (socket) => {
    socket.write(bytes)
  }
}

export function rawAndHangUp(bytes: string): Script {
  return (socket) => {
    socket.end(bytes)
  }
}

export function answer(status: number, body: unknown = '', headers: Record<string, string> = {}): Script {
  return raw(answerText(status, body, headers))
}

/** Answers, then closes the connection without having said that it would. */
export function answerAndHangUp(status: number, body: unknown): Script {
  return rawAndHangUp(answerText(status, body))
}

/** Sends the head and the first `bytes` bytes of the body, then does what `then` says. */
export function answerHalf(status: number, body: unknown, bytes: number, then: Script): Script {
  const whole = answerText(status, body)
  const part = whole.slice(0, whole.indexOf('\r\n\r\n') + 4 + bytes)
  return (socket, arrival) => {
    socket.write(part, () => then(socket, arrival))
  }
}

/** Sends the body a byte at a time, for ever. */
export function answerSlowly(status: number): Script {
  return (socket) => {
    socket.write(`HTTP/1.1 ${status} Scripted\r\nTransfer-Encoding: chunked\r\n\r\n`)
    const drip = setInterval(() => socket.write('1\r\n \r\n'), 10)
    socket.on('close', () => clearInterval(drip))
  }
}

/** One script for each request in turn; the last one stays. */
export function inTurn(...scripts: readonly [Script, ...Script[]]): Script {
  let turn = 0
  return (socket, arrival) => {
    const script = scripts[Math.min(turn, scripts.length - 1)] ?? hang
    turn += 1
    script(socket, arrival)
  }
}

function answerText(status: number, body: unknown, headers: Record<string, string> = {}): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const lines = Object.entries({ 'Content-Length': String(Buffer.byteLength(text)), ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return `HTTP/1.1 ${status} Scripted\r\n${lines.join('')}\r\n${text}`
}
