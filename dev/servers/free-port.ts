import { createServer } from 'node:net'

/** Below the range from which systems draw the ports of outgoing connections. */
const FIRST_PORT = 20_000
const LAST_PORT = 32_000

const handedOut = new Set<number>()

/** A port of 127.0.0.1 that nobody listens on, and that this process has not handed out before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    if (!handedOut.has(port) && (await canListen(port))) {
      handedOut.add(port)
      return port
    }
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
