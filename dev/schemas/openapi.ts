import { type ApiServerOptions, createApiServer } from '../../src/api/server.ts'
import { createLogger } from '../../src/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

/** Stands for what only requests would need: none is made but that for the document. */
const unneeded = <Part>(): Part => ({}) as Part

/** What a replica with the role `api` serves at /openapi.json; nothing listens, and no server is needed. */
export async function openapiDocument(): Promise<unknown> {
  const options: ApiServerOptions = {
    reads: unneeded(),
    cancel: unneeded(),
    operations: unneeded(),
    publicKeys: unneeded(),
    watcher: unneeded(),
    checks: {},
    metrics: createMetrics(),
    logger: createLogger({ level: 'silent' }),
    host: '127.0.0.1',
    port: 0,
  }
  const { app } = createApiServer(options)
  const reply = await app.inject('/openapi.json')
  await app.close()
  return reply.json()
}
