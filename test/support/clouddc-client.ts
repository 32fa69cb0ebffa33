import { pino } from 'pino'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import {
  type CloudDcClient,
  type CloudDcClientOptions,
  createCloudDcClient,
} from '../../src/clouddc/client.ts'

export const silentLogger = pino({ level: 'silent' })

export const TOKEN = 'token-canary-5521'

/** Clients that are closed together at the end of a test. */
export function createClients() {
  const clients: CloudDcClient[] = []
  return {
    open: (endpoint: string, options: Partial<CloudDcClientOptions> = {}): CloudDcClient => {
      const client = createCloudDcClient({
        endpoint,
        auth: createAuth({ credential: { kind: 'token', token: { value: TOKEN } }, logger: silentLogger }),
        callTimeoutMs: 60_000,
        connections: 2,
        logger: silentLogger,
        ...options,
      })
      clients.push(client)
      return client
    },
    closeAll: async () => {
      await Promise.all(clients.splice(0).map((client) => client.close()))
    },
  }
}
