import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { createDatabase } from '../../src/database/database.ts'

/** A message of the Postgres protocol: type, length, content. */
function message(type: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(content.length + 4)
  return Buffer.concat([Buffer.from(type), length, content])
}

const AUTHENTICATED = message('R', Buffer.alloc(4))
const READY = message('Z', Buffer.from('I'))
const TERMINATED = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'),
)
const REFUSED = message('E', Buffer.from('SERROR\0VERROR\0C42704\0Munrecognized configuration parameter\0\0'))

/** What a client sends after its greeting, one message at a time: its type and content. */
function* messagesIn(bytes: Buffer): Generator<{ type: string; text: string }> {
  for (let rest = bytes; rest.length >= 5; rest = rest.subarray(1 + rest.readInt32BE(1))) {
    yield { type: rest.toString('latin1', 0, 1), text: rest.toString('utf8', 5, 1 + rest.readInt32BE(1)) }
  }
}

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Starts a server on a free port; returns its URL. */
async function startServer(onClient: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    onClient(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => server.close())
  return `postgresql://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/database`
}

/** Lets every client in and ends its connection in the same breath, as a server does that is shutting down. */
function startEndingServer(): Promise<string> {
  return startServer((socket) => {
    socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, TERMINATED])))
  })
}

describe('a database connection that ends in the instant it is there', () => {
  it('fails the statement or the transaction, not the process', async () => {
    const url = await startEndingServer()
    const database = createDatabase({ url, poolSize: 2, logger: pino({ level: 'silent' }) })
    closing.push(database.close)
    // An error event that nobody listens to would end the process, and here the test run.
    await expect(database.query('SELECT 1')).rejects.toThrow()
    await expect(database.transaction((sql) => sql.query('SELECT 1'))).rejects.toThrow()
  })
})

describe('a database connection that does not take its settings', () => {
  it('is given up before any other statement is sent on it', async () => {
    const received: { type: string; text: string }[] = []
    const url = await startServer((socket) => {
      socket.once('data', () => {
        socket.write(Buffer.concat([AUTHENTICATED, READY]))
        socket.on('data', (chunk) => {
          received.push(...messagesIn(chunk))
          if (received.at(-1)?.type === 'X') socket.end()
          else socket.write(Buffer.concat([REFUSED, READY]))
        })
      })
    })
    const database = createDatabase({ url, poolSize: 1, logger: pino({ level: 'silent' }) })
    closing.push(database.close)
    await expect(database.query('SELECT 1')).rejects.toThrow('unrecognized configuration parameter')
    await expect(database.prisma.provisionRequest.count()).rejects.toThrow()
    expect(received.map(({ type }) => type)).toEqual(['Q', 'X', 'Q', 'X'])
    expect(received[0]?.text).toMatch(/^SET TimeZone = 'UTC'; SET /)
  })
})
