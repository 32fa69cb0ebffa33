import { hash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Auth } from './auth.ts'
import type { Clock } from './clock.ts'
import { faultReply, throttled } from './fault-replies.ts'
import type { FaultQueue, Strike } from './faults.ts'
import { readBody } from './http.ts'
import type { Call, CallBook } from './ledger.ts'
import type { Limiter } from './limiter.ts'
import type { Operate } from './operate.ts'
import type { Settings } from './options.ts'
import { type Random, streams } from './random.ts'
import { gatewayRefusal, type Reply } from './reply.ts'
import { matchRoute, type Route, type Service, serviceOf } from './routes.ts'
import { isSigned, type WireCall } from './signature.ts'

/** The gateway's limit: 12 MB. */
const maxBodyBytes = 12 * 1024 * 1024

type Deps = {
  settings: Settings
  clock: Clock
  random: Random
  callBook: CallBook
  limiter: Limiter
  auth: Auth
  faults: FaultQueue
  operate: Operate
  /** Changes with a reset: calls from before it are cut, they must not act on the new world. */
  epoch: () => number
}

/**
 * The way of a call: note its arrival, known API?, limit, credentials, fault, body, work, answer. A call that is
 * refused on the way consumes no scripted fault; every call of a project counts for its limit.
 */
export function createApiListener(deps: Deps, { region, serves }: Port) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const arrived = deps.clock()
    const method = request.method ?? ''
    const found = matchRoute(method, request.url ?? '/')
    const here = serves.includes(serviceOf(found.operation))
    const route: Route = here ? found : { ...found, operation: 'Unknown' }
    const { operation, project, path, query } = route
    const call = deps.callBook.open({
      at_ms: arrived,
      project,
      operation,
      method,
      path,
      query,
      request_id: randomUUID().replaceAll('-', ''),
      user: deps.auth.userOf(request.headers),
    })
    response.on('close', () => {
      if (!response.writableFinished && call.cut === null) call.caller_gone = true
      deps.callBook.close(call)
    })
    void takeIn(deps, { request, response, call, route, region: region(), epoch: deps.epoch() })
  }
}

/** One of the ports: the region it stands for, and what it serves. */
type Port = { region: () => string; serves: readonly Service[] }

type Way = {
  request: IncomingMessage
  response: ServerResponse
  call: Call
  route: Route
  region: string
  epoch: number
}

/** A signature covers the body, so a signed call is read before it is judged; any other is judged at its arrival. */
async function takeIn(deps: Deps, way: Way): Promise<void> {
  const { request, response, call } = way
  // IAM and the metadata service look at credentials themselves.
  const judged = call.operation !== 'Unknown' && serviceOf(call.operation) === 'clouddc'
  const throttled = limit(deps, call, judged)
  const early = judged && throttled === null && isSigned(request.headers)
  const body = early ? await readBody(request, maxBodyBytes) : undefined
  if (early && deps.epoch() !== way.epoch) return cut(response, call, 'before', true)
  const { project, request_id: requestId, at_ms: now } = call
  const at = { project, region: way.region, requestId, now }
  const refused = throttled ?? (judged && body !== null ? deps.auth.check(wireOf(request, body), at) : null)
  const strike = refused || body === null ? null : deps.faults.claim(call)
  if (strike) {
    call.fault = strike.plan.kind
    call.fault_id = strike.fault?.id ?? null
  }
  if (strike?.plan.kind === 'cut_before') return cut(response, call, 'before', strike.plan.reset)
  await serve(deps, way, { refused, strike, body })
}

const wireOf = (request: IncomingMessage, body: Uint8Array = new Uint8Array()): WireCall => ({
  method: request.method ?? '',
  url: request.url ?? '/',
  headers: request.headers,
  body,
})

/** The limiter's refusal, or null. It is asked before everything else, so that it counts every call. */
function limit({ limiter, settings }: Deps, call: Call, judged: boolean): Reply | null {
  const { project, operation, request_id, at_ms, user } = call
  const admission = limiter.admit(project, operation, at_ms, user)
  if (admission.within) return null
  call.over_limit = true
  call.over_user_limit = admission.of === 'user'
  if (!judged || !settings.limiterEnforce) return null
  return throttled(settings, request_id, admission)
}

/** `body`: undefined where it is still to be read; null when it is too long or its sender is gone. */
async function serve(
  deps: Deps,
  { request, response, call, route, region, epoch }: Way,
  {
    refused,
    strike,
    body: read,
  }: { refused: Reply | null; strike: Strike | null; body: Buffer | null | undefined },
): Promise<void> {
  const plan = strike?.plan ?? null
  const body = read === undefined ? await readBody(request, maxBodyBytes) : read
  if (body === null) {
    if (!request.complete) return cut(response, call, null, false)
    return write(
      deps,
      response,
      call,
      gatewayRefusal(413, 'APIGW.0201', 'Request body is too large', call.request_id),
    )
  }
  call.body_bytes = body.length
  if (body.length > 0) call.body_sha256 = hash('sha256', body, 'hex')
  if (refused) return write(deps, response, call, refused)

  const latency = drawLatency(deps, call)
  const early = (plan?.phase === 'before' ? (plan.latency_ms ?? 0) : 0) + latency / 2
  if (early > 0) await sleep(early)
  if (plan?.kind === 'hold' && plan.phase === 'before' && strike?.fault) await deps.faults.hold(strike.fault)
  if (deps.epoch() !== epoch) return cut(response, call, 'before', true)

  const done = work(deps, { call, route, wire: wireOf(request, body), region, plan })

  const late = (plan?.phase === 'after' ? (plan.latency_ms ?? 0) : 0) + latency / 2
  if (late > 0) await sleep(late)
  if (plan?.kind === 'hold' && plan.phase === 'after' && strike?.fault) await deps.faults.hold(strike.fault)
  if (deps.epoch() !== epoch || plan?.kind === 'cut_after')
    return cut(response, call, 'after', plan?.reset ?? true)
  if (plan?.kind === 'cut_half') return writeHalf(deps, response, call, done, plan.reset)
  const answer = plan?.kind === 'error_after' ? faultReply(deps.settings, plan, faulty(call)) : done
  if (plan?.kind === 'close_after') {
    const { socket } = response
    response.on('finish', () => socket?.destroy())
  }
  write(deps, response, call, answer)
}

function work(
  { operate, settings, clock }: Deps,
  asked: { call: Call; route: Route; wire: WireCall; region: string; plan: Strike['plan'] | null },
): Reply {
  const { call, plan } = asked
  if (plan?.kind === 'error_before' || plan?.kind === 'throttle') {
    return faultReply(settings, plan, faulty(call))
  }
  return operate({ ...asked, now: clock() })
}

const faulty = ({ request_id: requestId, operation }: Call) => ({ requestId, service: serviceOf(operation) })

function drawLatency({ settings, random }: Deps, call: Call): number {
  const { latencyMinMs, latencyMaxMs } = settings
  return latencyMaxMs === 0 ? 0 : random.between(streams.latency, call.n, latencyMinMs, latencyMaxMs)
}

/** Does not keep the process alive: a simulator that is closed has nobody left to answer. */
const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref())

function head({ settings, clock }: Deps, response: ServerResponse, call: Call, reply: Reply): void {
  call.status = reply.status
  call.error_code = reply.errorCode
  const headers: Record<string, string | number> = { 'X-Request-Id': call.request_id, ...reply.headers }
  if (reply.contentType !== '') headers['Content-Type'] = reply.contentType
  if (settings.clockAheadMs !== 0) headers.Date = new Date(clock() + settings.clockAheadMs).toUTCString()
  if (reply.status !== 204) headers['Content-Length'] = Buffer.byteLength(reply.body)
  response.writeHead(reply.status, headers)
}

function write(deps: Deps, response: ServerResponse, call: Call, reply: Reply): void {
  if (response.destroyed) return
  head(deps, response, call, reply)
  response.end(reply.body)
}

/** Head and the first half of the body leave the machine before the cut. */
function writeHalf(deps: Deps, response: ServerResponse, call: Call, reply: Reply, reset: boolean): void {
  if (response.destroyed) return
  head(deps, response, call, reply)
  const bytes = Buffer.from(reply.body)
  call.cut = 'half'
  response.write(bytes.subarray(0, bytes.length >> 1), () => cut(response, call, 'half', reset))
}

/** `when` is null where the caller is gone anyway. */
function cut(response: ServerResponse, call: Call, when: Call['cut'], reset: boolean): void {
  call.cut = when
  if (reset) response.socket?.resetAndDestroy()
  else response.socket?.destroy()
}
