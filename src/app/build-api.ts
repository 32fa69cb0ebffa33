import { createAccess, followRules } from '../access/access.ts'
import { cancelRequest } from '../api/cancel.ts'
import type { OperationsApi } from '../api/operations/operations-routes.ts'
import { createReads } from '../api/reads.ts'
import { createApiServer } from '../api/server.ts'
import { standingChecks } from '../api/standing-checks.ts'
import { createStatusWatcher } from '../api/status-watcher.ts'
import { requestKey } from '../request/request-key.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { WakeUps } from './wake-ups.ts'

interface Api {
  services: Service[]
  /** Requests of these keys (`project/request`) have changed. */
  notify(keys: Iterable<string>): void
  /** Where it listens, once started. */
  url(): string
}

/** Status, history and cancelling over HTTP; health and metrics in every role. */
export function buildApi(core: Core, { onEvents }: WakeUps, operations: OperationsApi): Api {
  const { config, logger, metrics, database, broker } = core

  const reads = createReads({ database })
  const watcher = createStatusWatcher({ reads, logger, waiters: metrics.http.waiters })
  const { apiAccessFile: path, accessRules: first } = config
  const access =
    path === null || first === null
      ? null
      : createAccess({ rules: followRules({ path, first, logger }), sealer: core.sealer, logger })
  const server = createApiServer({
    reads,
    access,
    hosts: config.apiHosts,
    requestsPerSecond: config.apiRateLimitPerSecond,
    trustedProxies: config.trustedProxies,
    cancel: async (key) => {
      const outcome = await cancelRequest(database, key)
      if (outcome === 'cancelled') onEvents([requestKey(key)])
      return outcome
    },
    operations,
    servesRequests: config.roles.has('api'),
    watcher,
    metrics,
    logger,
    publicKeys: core.jweBox.publicKeys,
    host: config.host,
    port: config.port,
    checks: standingChecks({ database, brokerHealth: broker.health }),
  })

  return { services: [server], notify: watcher.notify, url: server.url }
}
