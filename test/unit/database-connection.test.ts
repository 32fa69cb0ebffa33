import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { createDatabase } from '../../src/store/database.ts'

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

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Lets every client in and ends its connection in the same breath, as a server does that is shutting down. */
async function startEndingServer(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, TERMINATED])))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => server.close())
  return `postgresql://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/database`
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
