import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The whole body, or null when it is longer than `most` bytes or the caller went away. */
export function readBody(request: IncomingMessage, most: number): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= most) chunks.push(chunk)
    })
    request.on('end', () => {
      if (bytes > most) resolve(null)
      else resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
    })
    request.on('close', () => resolve(null))
    request.on('error', () => resolve(null))
  })
}

export type Listener = { url: string; port: number; close(): Promise<void> }

/** Listens; rejects when the port is taken. `close` ends open connections at once. */
export async function listen(
  onRequest: RequestListener,
  { host, port, keepAliveMs }: { host: string; port: number; keepAliveMs: number },
): Promise<Listener> {
  const server: Server = createServer({ keepAliveTimeout: keepAliveMs, noDelay: true }, onRequest)
  server.listen({ host, port, backlog: 4096 })
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    close: async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
