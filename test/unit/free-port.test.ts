import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from '../../dev/servers/free-port.ts'

test('a free port can be listened on, and is given to nobody else', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, freePort))
  expect(new Set(ports).size).toBe(20)
  for (const port of ports) {
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    server.close()
    const other = createSocket('udp4')
    other.bind({ address: '127.0.0.1', port, exclusive: true })
    await expect(once(other, 'listening')).rejects.toMatchObject({ code: 'EADDRINUSE' })
    other.close()
  }
})
