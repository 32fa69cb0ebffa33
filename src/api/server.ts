import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import { isLoopbackAddress } from '../access/addresses.ts'
import type { SealingKeys } from '../contracts/key-set.ts'
import type { Service } from '../runtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type CancelRouteOptions, registerCancelRoute } from './cancel-route.ts'
import { answerClientError, registerErrorReplies, replyWithError } from './error-replies.ts'
import { registerGuard } from './guard.ts'
import { registerHealthRoutes } from './health-routes.ts'
import { registerInstancesRoutes } from './instances-routes.ts'
import { registerKeysRoute } from './keys-route.ts'
import { registerOpenapi } from './openapi.ts'
import { type OperationsApi, registerOperationsRoutes } from './operations/operations-routes.ts'
import { MAX_WAIT_MS } from './parameters.ts'
import { createReadiness, type ReadinessCheck } from './readiness.ts'
import type { Reads } from './reads.ts'
import { registerRequestsRoutes } from './requests-routes.ts'
import { registerSecurityHeaders } from './security-headers.ts'
import { registerSessionRoutes } from './session-routes.ts'
import type { StatusWatcher } from './status-watcher.ts'

export interface ApiServerOptions {
  reads: Reads
  cancel: CancelRouteOptions['cancel']
  /** Who may ask; null, the default: everybody may do everything. */
  access?: Access | null
  operations: OperationsApi
  /** Names by which clients may address the API, beside addresses and localhost. Default none. */
  hosts?: readonly string[]
  /** Requests of one caller; ten seconds' worth may come at once. Default 100. */
  requestsPerSecond?: number
  /** Addresses, and ranges of them, whose `X-Forwarded-*` count. Default none. */
  trustedProxies?: readonly string[]
  /** False for a process without the role api: it serves health and metrics only. Default true. */
  servesRequests?: boolean
  /** The public keys to which producers seal passwords. */
  publicKeys: SealingKeys
  /** What /readyz asks, by name. */
  checks: Readonly<Record<string, ReadinessCheck>>
  metrics: Metrics
  logger: Logger
  /** Started and stopped with the server. */
  watcher: StatusWatcher
  host: string
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
  /** `http://host:port`; throws before the server listens. */
  url(): string
  /** For tests: the routes without a socket. */
  readonly app: FastifyInstance
}

/** A reply may be held for MAX_WAIT_MS; whatever takes this much longer is stuck. */
const STUCK_MS = MAX_WAIT_MS + 15_000

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
  const { reads, cancel, operations, checks, metrics, logger, watcher, servesRequests = true } = options
  const { access = null, trustedProxies = [], requestsPerSecond = 100 } = options
  const log: FastifyBaseLogger = logger
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 65_536,
    // The whole request must have arrived by then.
    requestTimeout: 10_000,
    // No byte either way; longer than any reply is held.
    connectionTimeout: STUCK_MS,
    handlerTimeout: STUCK_MS,
    // Longer than common load balancers keep an idle connection, or they would use one that is closing.
    keepAliveTimeout: 75_000,
    http: { headersTimeout: 10_000, maxHeaderSize: 16_384, connectionsCheckingInterval: 5000 },
    // As long as a request line may be: the schema of an id reports what is too long.
    routerOptions: { maxParamLength: 16_384 },
    trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
    // While closing, requests on open connections are still answered, with `connection: close`.
    return503OnClosing: false,
    frameworkErrors: replyWithError,
    clientErrorHandler: (error, socket) => answerClientError(error, socket, log),
  })
  // Most routes take no body: what comes is read up to the limit and ignored, whatever its type.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null))
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  registerSecurityHeaders(app, { secure: false })
  // Refusals have these headers, too.
  app.after(() => {
    registerErrorReplies(app)
    registerGuard(app, { access, hosts: hostsOf(options), perSecond: requestsPerSecond })
  })

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
      registerKeysRoute(routes, { publicKeys: options.publicKeys })
      registerOperationsRoutes(routes, { ...operations, status: reads })
      registerSessionRoutes(routes, { access })
    }
    registerHealthRoutes(routes, { readiness: createReadiness(checks), isStopping, metrics })
  })
  return app
}

/** Names by which the API may be addressed; null: by whatever name. */
function hostsOf({ host, hosts = [] }: ApiServerOptions): ReadonlySet<string> | null {
  if (hosts.length === 0 && !isLoopbackAddress(host)) return null
  return new Set(hosts.map((name) => name.toLowerCase()))
}
