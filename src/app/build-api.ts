import { createAccess, followRules } from '../access/access.ts'
import { cancelRequest } from '../api/cancel.ts'
import { createMetricsServer } from '../api/metrics-server.ts'
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

  const reads = createReads({ database, limitOf: core.limits.of })
  const watcher = createStatusWatcher({ reads, logger, waiters: metrics.http.waiters })
  const { apiAccessFile: path, accessRules: first } = config
  const access =
    path === null || first === null
      ? null
      : createAccess({ rules: followRules({ path, first, logger }), sealer: core.sealer, logger })
  const { httpCertFile: certFile, httpKeyFile: keyFile, metricsPort } = config
  const listener = {
    host: config.host,
    hosts: config.apiHosts,
    trustedProxies: config.trustedProxies,
    certificate: certFile === null || keyFile === null ? null : { certFile, keyFile },
    logger,
  }
  const server = createApiServer({
    ...listener,
    reads,
    access,
    requestsPerSecond: config.apiRateLimitPerSecond,
    cancel: (key) =>
      cancelRequest(database, key, () => {
        metrics.requests.ended.inc({ state: 'cancelled' })
        onEvents([requestKey(key)])
      }),
    operations,
    servesRequests: config.roles.has('api'),
    watcher,
    metrics,
    servesMetrics: metricsPort === null,
    publicKeys: core.jweBox.publicKeys,
    port: config.port,
    checks: standingChecks({ database, neededRights: core.neededRights, brokerHealth: broker.health }),
  })

  const services: Service[] = [server]
  if (metricsPort !== null) services.unshift(createMetricsServer({ ...listener, port: metricsPort, metrics }))
  return { services, notify: watcher.notify, url: server.url }
}
