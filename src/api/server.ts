import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Access } from '../access/access.ts'
import type { SealingKeys } from '../contracts/key-set.ts'
import type { Service } from '../runtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type CancelRouteOptions, registerCancelRoute } from './cancel-route.ts'
import { registerConsoleRoutes } from './console-routes.ts'
import { registerHealthRoutes } from './health-routes.ts'
import { registerInstancesRoutes } from './instances-routes.ts'
import { registerKeysRoute } from './keys-route.ts'
import { createListener, type ListenerOptions } from './listener.ts'
import { registerMetricsRoute } from './metrics-route.ts'
import { registerOpenapi } from './openapi.ts'
import { type OperationsApi, registerOperationsRoutes } from './operations/operations-routes.ts'
import { createReadiness, type ReadinessCheck } from './readiness.ts'
import type { Reads } from './reads.ts'
import { registerRequestsRoutes } from './requests-routes.ts'
import { registerSessionRoutes } from './session-routes.ts'
import type { StatusWatcher } from './status-watcher.ts'
import { registerSummaryRoute } from './summary-route.ts'

export interface ApiServerOptions extends ListenerOptions {
  reads: Reads
  cancel: CancelRouteOptions['cancel']
  /** Who may ask; null, the default: everybody may do everything. */
  access?: Access | null
  operations: OperationsApi
  /** Requests of one caller; ten seconds' worth may come at once. Default 100. */
  requestsPerSecond?: number
  /** False for a process without the role api: it serves health and metrics only. Default true. */
  servesRequests?: boolean
  /** The public keys to which producers seal passwords. */
  publicKeys: SealingKeys
  /** What /readyz asks, by name. */
  checks: Readonly<Record<string, ReadinessCheck>>
  metrics: Metrics
  /** False where /metrics is on a port of its own. Default true. */
  servesMetrics?: boolean
  /** Started and stopped with the server. */
  watcher: StatusWatcher
  /** 0 takes a free one. */
  port: number
  /**
   * How long /readyz reports not ready before connections close, so that load balancers can stop routing here.
   * Default 300.
   */
  drainMs?: number
  /** How long requests in progress may take to finish after that. Default 5,000. */
  closeMs?: number
}

export interface ApiServer extends Service {
  /** `http://host:port`, or https; throws before the server listens. */
  url(): string
  /** For tests: the routes without a socket. */
  readonly app: FastifyInstance
}

/** The HTTP API with health and metrics. It listens from `start` on, whatever the state of database and broker. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { host, port, watcher, drainMs = 300, closeMs = 5000 } = options
  let stopping = false
  const app = buildApp(options, () => stopping)
  let starting: Promise<void> | undefined
  let stopped: Promise<void> | undefined

  const stop = async () => {
    stopping = true
    await starting?.catch(() => undefined)
    const { server } = app
    if (server.listening) await sleep(drainMs)
    // Held replies go out now, with the status as it is.
    await watcher.stop()
    const closing = app.close()
    // A connection that was busy when the server closed is idle later, and one that sends nothing never is.
    const idle = setInterval(() => server.closeIdleConnections(), 100)
    const deadline = setTimeout(() => server.closeAllConnections(), closeMs)
    try {
      await closing
    } finally {
      clearInterval(idle)
      clearTimeout(deadline)
    }
  }

  return {
    name: 'api',
    app,
    start: async () => {
      if (stopping) return
      starting ??= (async () => {
        await watcher.start()
        await app.listen({ host, port })
      })()
      await starting
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    url: () => app.listeningOrigin,
  }
}

function buildApp(options: ApiServerOptions, isStopping: () => boolean): FastifyInstance {
  const { reads, cancel, operations, checks, metrics, watcher, servesRequests = true } = options
  const { access = null, requestsPerSecond = 100, servesMetrics = true } = options
  const app = createListener(options, { access, perSecond: requestsPerSecond })

  app.addHook('onSend', async (_request, reply) => {
    if (isStopping()) reply.header('connection', 'close')
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    const seconds = reply.elapsedTime / 1000
    metrics.http.requests.inc({ route, method: request.method, status: reply.statusCode })
    metrics.http.seconds.observe({ route }, seconds)
    request.log.debug(
      { method: request.method, route, status: reply.statusCode, seconds },
      'request answered',
    )
  })

  registerOpenapi(app)
  // After the plugin that collects the routes.
  app.register(async (routes) => {
    if (servesRequests) {
      registerRequestsRoutes(routes, { reads, watcher })
      registerCancelRoute(routes, { reads, cancel })
      registerInstancesRoutes(routes, { reads })
      registerSummaryRoute(routes, { reads })
      registerKeysRoute(routes, { publicKeys: options.publicKeys })
      registerOperationsRoutes(routes, { ...operations, status: reads })
      registerSessionRoutes(routes, { access })
      registerConsoleRoutes(routes)
    }
    registerHealthRoutes(routes, { readiness: createReadiness(checks), isStopping })
    if (servesMetrics) registerMetricsRoute(routes, { metrics })
  })
  return app
}
