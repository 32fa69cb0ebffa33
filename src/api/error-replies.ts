import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { KeysUnavailableError } from '../access/tokens.ts'
import { coerceError } from '../runtime/errors.ts'
import { NoSlotError } from '../runtime/slots.ts'
import { DatabaseRightsError, DatabaseUnavailableError } from './guarded-reads.ts'
import { PROBLEM_TYPE, ProblemError, type ProblemFields, problemDocument } from './problem.ts'
import { TooManyWaitersError, TooManyWaitsError } from './status-watcher.ts'

/** Every error as a problem document: those of routes, of validation, of unknown paths and of methods. */
export function registerErrorReplies(app: FastifyInstance): void {
  const routes: { pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ pattern: pathPattern(url), methods: [method].flat() })
  })

  app.setErrorHandler((error, request, reply) => replyWithError(error, request, reply))

  // Before the body is read: a path or method that does not exist supports no content type.
  app.addHook('onRequest', async (request) => {
    if (!request.is404) return
    const path = request.url.split('?', 1)[0] ?? ''
    const allowed = new Set(
      routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods),
    )
    if (allowed.size === 0) {
      throw new ProblemError({ status: 404, code: 'not_found', detail: 'there is nothing at this path' })
    }
    const allow = [...allowed].sort().join(', ')
    throw new ProblemError({
      status: 405,
      code: 'method_not_allowed',
      detail: `this path answers ${allow}`,
      headers: { allow },
    })
  })
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, { status: 404, code: 'not_found' }))
}

/** Also answers what the router refuses before any hook runs, such as a path that cannot be decoded. */
export function replyWithError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fields = problemFields(error)
  if (fields.status >= 500) logFailure(error, fields, request)
  return sendProblem(reply, fields)
}

function sendProblem(reply: FastifyReply, fields: ProblemFields): FastifyReply {
  return reply
    .code(fields.status)
    .headers({ ...fields.headers, 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store' })
    .send(JSON.stringify(problemDocument(fields)))
}

function problemFields(error: unknown): ProblemFields {
  if (error instanceof ProblemError) return error.fields
  const unavailable = unavailability(error)
  if (unavailable !== null) {
    return {
      status: 503,
      code: unavailable,
      detail: coerceError(error).message,
      headers: { 'retry-after': '1' },
    }
  }
  if (error instanceof TooManyWaitsError) {
    return { status: 429, code: 'too_many_waits', detail: error.message, headers: { 'retry-after': '1' } }
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const where = validationContext(error)
    return {
      status: 400,
      code: 'invalid_request',
      detail: `the ${where} is not valid`,
      errors: error.validation.map(({ instancePath, message }) => ({
        path: instancePath.slice(1).replaceAll('/', '.'),
        message: message ?? 'is not valid',
      })),
    }
  }
  const { statusCode, code, message } = error as Partial<FastifyError>
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const detail = code === 'FST_ERR_BAD_URL' ? 'the path cannot be decoded' : message
    return { status: statusCode, code: 'invalid_request', detail }
  }
  return { status: 500, code: 'internal_error', detail: 'something went wrong here; the log says what' }
}

/** Codes of replies under overload. */
const OVERLOAD: readonly string[] = ['too_many_reads', 'too_many_waiters']

/** The code of a temporary failure, null for all other errors. */
function unavailability(error: unknown): string | null {
  if (error instanceof DatabaseUnavailableError) return 'database_unavailable'
  if (error instanceof DatabaseRightsError) return 'database_rights'
  if (error instanceof KeysUnavailableError) return 'keys_unavailable'
  if (error instanceof NoSlotError) return 'too_many_reads'
  if (error instanceof TooManyWaitersError) return 'too_many_waiters'
  return (error as Partial<FastifyError>).code === 'FST_ERR_HANDLER_TIMEOUT' ? 'timeout' : null
}

function validationContext(error: object): string {
  const context = (error as { validationContext?: unknown }).validationContext
  if (context === 'params') return 'path'
  if (context === 'querystring') return 'query'
  return context === 'body' ? 'body' : 'request'
}

/** Method and route only: a query may hold anything. */
function logFailure(error: unknown, { status, code }: ProblemFields, request: FastifyRequest): void {
  const facts = {
    err: error,
    method: request.method,
    route: request.routeOptions?.url,
    params: request.params,
    status,
  }
  if (status === 500) request.log.error(facts, 'request failed')
  // Under overload these come in masses; /metrics counts them.
  else if (OVERLOAD.includes(code)) request.log.debug(facts, 'request refused')
  else if (code !== 'not_ready') request.log.warn(facts, 'request could not be answered')
}

function pathPattern(url: string): RegExp {
  const source = url
    .split('/')
    .map((part) =>
      part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replace('*', '.*'),
    )
    .join('/')
  return new RegExp(`^${source}$`)
}

const CLIENT_ERRORS: Readonly<Record<string, { status: number; detail: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'the request did not arrive in time' },
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'the headers are too large' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, detail: 'the chunk extensions are too large' },
}

/** Answers on the bare socket what is not an HTTP request, or not one that may be read to its end. */
export function answerClientError(
  error: Error & { code?: string },
  socket: Socket,
  log: FastifyBaseLogger,
): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const { status, detail } = CLIENT_ERRORS[error.code ?? ''] ?? {
    status: 400,
    detail: 'this is no HTTP request',
  }
  log.debug({ code: error.code, status }, 'client error')
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(problemDocument({ status, code: 'invalid_request', detail }))
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
    () => socket.destroySoon(),
  )
}
