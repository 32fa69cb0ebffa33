import { pino } from 'pino'
import {
  type CloudDcClient,
  type CloudDcClientOptions,
  createCloudDcClient,
} from '../../src/clouddc/client.ts'
import { authBy } from './auth.ts'

export const silentLogger = pino({ level: 'silent' })

export const TOKEN = 'token-canary-5521'

/** Clients that are closed together at the end of a test. */
export function createClients() {
  const clients: CloudDcClient[] = []
  return {
    open: (endpoint: string, options: Partial<CloudDcClientOptions> = {}): CloudDcClient => {
      const client = createCloudDcClient({
        endpointOf: () => endpoint,
        auth: authBy({ kind: 'token', token: { value: TOKEN } }),
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
