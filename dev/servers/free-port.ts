import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the range from which systems draw the ports of outgoing connections. */
const FIRST_PORT = 20_000
const LAST_PORT = 32_000

/**
 * A port of 127.0.0.1 that nobody listens on, and that no other process is given as long as this one lives: between a
 * look at a port and its use, and while a server that has it restarts, it would otherwise be anybody's.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    if ((await reserve(port)) && (await canListen(port))) return port
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`)
}

/** The UDP port of the same number stands for it: the system gives it to one process, and back when that ends. */
async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  socket.bind({ address: '127.0.0.1', port, exclusive: true })
  try {
    await once(socket, 'listening')
  } catch {
    socket.close()
    return false
  }
  socket.unref()
  return true
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
