import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { Certified } from './authority.ts'

/** TLS in front of a server that has none, on 127.0.0.1; `target` is its URL. Returns the same URL by https. */
export async function startTlsFront(target: string, own: Certified) {
  const { hostname, port, pathname } = new URL(target)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
  }
  const server = createServer({ cert: own.cert, key: own.key }, (socket) => {
    const inner = connect(Number(port), hostname)
    keep(socket)
    keep(inner)
    socket.pipe(inner).pipe(socket)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const front = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `${front}${pathname.replace(/\/$/, '')}`,
    /** Shows another certificate from the next connection on. */
    useCertificate: ({ cert, key }: Certified) => server.setSecureContext({ cert, key }),
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
