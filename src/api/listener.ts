import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import { isLoopbackAddress } from '../access/addresses.ts'
import { type CertificateFiles, readCertificate } from '../runtime/certificate.ts'
import { answerClientError, registerErrorReplies, replyWithError } from './error-replies.ts'
import { type GuardOptions, registerGuard } from './guard.ts'
import { followCertificate } from './https.ts'
import { MAX_WAIT_MS } from './parameters.ts'
import { registerSecurityHeaders } from './security-headers.ts'

/** Where and how HTTP is listened to. */
export interface ListenerOptions {
  host: string
  /** Names by which clients may address it, beside addresses and localhost. Default none. */
  hosts?: readonly string[] | undefined
  /** Addresses, and ranges of them, whose `X-Forwarded-*` count. Default none. */
  trustedProxies?: readonly string[] | undefined
  /** HTTPS by these files, which are followed; null, the default: HTTP. */
  certificate?: CertificateFiles | null | undefined
  /** How often those files are looked at, in milliseconds. Default 5,000. */
  certificateLookMs?: number | undefined
  logger: Logger
}

/** A reply may be held for MAX_WAIT_MS; whatever takes this much longer is stuck. */
const STUCK_MS = MAX_WAIT_MS + 15_000

/** An HTTP server without routes: with its limits, with a guard before all routes, and with errors as problems. */
export function createListener(
  options: ListenerOptions,
  guard: Pick<GuardOptions, 'access' | 'perSecond'>,
): FastifyInstance {
  const { logger, trustedProxies = [], certificate: files = null, certificateLookMs } = options
  const log: FastifyBaseLogger = logger
  const certificate = files && readCertificate(files)
  const limits = { headersTimeout: 10_000, maxHeaderSize: 16_384, connectionsCheckingInterval: 5000 }
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
    ...protocol(certificate && { ...limits, ...certificate, handshakeTimeout: 10_000 }, limits),
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
  if (files !== null && certificate !== null) {
    followCertificate(app, { files, first: certificate, logger, lookMs: certificateLookMs })
  }
  registerSecurityHeaders(app, { secure: certificate !== null })
  // Refusals have these headers, too.
  app.after(() => {
    registerErrorReplies(app)
    registerGuard(app, { ...guard, hosts: hostsOf(options) })
  })
  return app
}

/** Fastify's option for HTTPS or HTTP. The type of an app does not tell the two apart; its server does. */
function protocol(https: object | null, http: object): object {
  return https === null ? { http } : { https }
}

/** Names by which the API may be addressed; null: by whatever name. */
function hostsOf({ host, hosts = [] }: ListenerOptions): ReadonlySet<string> | null {
  if (hosts.length === 0 && !isLoopbackAddress(host)) return null
  return new Set(hosts.map((name) => name.toLowerCase()))
}
