import { createServer, type Socket } from 'node:net'

export interface StubRequest {
  method: string
  path: string
  body: string
}

/** JSON text and its status. */
export interface StubReply {
  status: number
  body: string
}

/**
 * As little HTTP/1.1 as the bench's clients need, because every microsecond here is taken from what is measured:
 * requests with Content-Length or without a body, connections kept or closed as the client asks.
 */
export async function serve(handle: (request: StubRequest) => StubReply): Promise<string> {
  const server = createServer({ noDelay: true }, (socket) => read(socket, handle))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the stub does not listen')
  return `http://127.0.0.1:${address.port}`
}

const HEAD_END = '\r\n\r\n'

function read(socket: Socket, handle: (request: StubRequest) => StubReply): void {
  let buffered = ''
  socket.setEncoding('latin1')
  socket.on('error', () => undefined)
  socket.on('data', (chunk: string) => {
    buffered += chunk
    for (;;) {
      const headEnd = buffered.indexOf(HEAD_END)
      if (headEnd < 0) return
      const head = buffered.slice(0, headEnd)
      const bodyStart = headEnd + HEAD_END.length
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      if (buffered.length < bodyStart + length) return
      const [method = '', path = ''] = head.slice(0, head.indexOf('\r\n')).split(' ')
      const body = buffered.slice(bodyStart, bodyStart + length)
      buffered = buffered.slice(bodyStart + length)
      const close = /\r\nconnection: *close/i.test(head)
      answer(socket, handle({ method, path, body }), close)
    }
  })
}

function answer(socket: Socket, { status, body }: StubReply, close: boolean): void {
  const text =
    `HTTP/1.1 ${status} OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: ${close ? 'close' : 'keep-alive'}\r\n\r\n${body}`
  if (close) socket.end(text)
  else socket.write(text)
}
