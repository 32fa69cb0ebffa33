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
import { matchRoute, type Route } from './routes.ts'

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
 * The way of a call: note its arrival, known API?, credentials, limit, fault, body, work, answer. A call that is
 * refused on the way consumes no scripted fault; every call of a project counts for its limit.
 */
export function createApiListener(deps: Deps) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const arrived = deps.clock()
    const method = request.method ?? ''
    const route = matchRoute(method, request.url ?? '/')
    const { operation, project, path, query } = route
    const call = deps.callBook.open({
      at_ms: arrived,
      project,
      operation,
      method,
      path,
      query,
      request_id: randomUUID().replaceAll('-', ''),
    })
    response.on('close', () => {
      if (!response.writableFinished && call.cut === null) call.caller_gone = true
      deps.callBook.close(call)
    })
    const header = request.headers['x-auth-token']
    const refused = admit(deps, call, typeof header === 'string' ? header : undefined)
    const strike = refused ? null : deps.faults.claim(call)
    if (strike) {
      call.fault = strike.plan.kind
      call.fault_id = strike.fault?.id ?? null
    }
    if (strike?.plan.kind === 'cut_before') cut(response, call, 'before', strike.plan.reset)
    else void serve(deps, { request, response, call, route, refused, strike })
  }
}

/** The refusal of gateway and limiter, or null. The limit is asked first, so that it counts every call. */
function admit({ auth, limiter, settings }: Deps, call: Call, token: string | undefined): Reply | null {
  const { project, operation, request_id, at_ms } = call
  const admission = limiter.admit(project, operation, at_ms)
  if (!admission.within) call.over_limit = true
  if (operation === 'Unknown' || operation === 'CreateToken') return null
  if (!admission.within && settings.limiterEnforce) {
    return throttled(settings, request_id, { retryAfterMs: admission.retryAfterMs })
  }
  return auth.check(token, project, request_id, at_ms)
}

async function serve(
  deps: Deps,
  {
    request,
    response,
    call,
    route,
    refused,
    strike,
  }: {
    request: IncomingMessage
    response: ServerResponse
    call: Call
    route: Route
    refused: Reply | null
    strike: Strike | null
  },
): Promise<void> {
  const epoch = deps.epoch()
  const plan = strike?.plan ?? null
  const body = await readBody(request, maxBodyBytes)
  if (body === null) {
    if (!request.complete) return cut(response, call, null, false)
    return write(
      response,
      call,
      gatewayRefusal(413, 'APIGW.0201', 'Request body is too large', call.request_id),
    )
  }
  call.body_bytes = body.length
  if (body.length > 0) call.body_sha256 = hash('sha256', body, 'hex')
  if (refused) return write(response, call, refused)

  const latency = drawLatency(deps, call)
  const early = (plan?.phase === 'before' ? (plan.latency_ms ?? 0) : 0) + latency / 2
  if (early > 0) await sleep(early)
  if (plan?.kind === 'hold' && plan.phase === 'before' && strike?.fault) await deps.faults.hold(strike.fault)
  if (deps.epoch() !== epoch) return cut(response, call, 'before', true)

  const done = work(deps, { call, route, body, plan })

  const late = (plan?.phase === 'after' ? (plan.latency_ms ?? 0) : 0) + latency / 2
  if (late > 0) await sleep(late)
  if (plan?.kind === 'hold' && plan.phase === 'after' && strike?.fault) await deps.faults.hold(strike.fault)
  if (deps.epoch() !== epoch || plan?.kind === 'cut_after')
    return cut(response, call, 'after', plan?.reset ?? true)
  if (plan?.kind === 'cut_half') return writeHalf(response, call, done, plan.reset)
  const answer = plan?.kind === 'error_after' ? faultReply(deps.settings, plan, call.request_id) : done
  if (plan?.kind === 'close_after') {
    const { socket } = response
    response.on('finish', () => socket?.destroy())
  }
  write(response, call, answer)
}

function work(
  { operate, settings, clock }: Deps,
  { call, route, body, plan }: { call: Call; route: Route; body: Buffer; plan: Strike['plan'] | null },
): Reply {
  if (plan?.kind === 'error_before' || plan?.kind === 'throttle') {
    return faultReply(settings, plan, call.request_id)
  }
  return operate({ call, route, body, plan, now: clock() })
}

function drawLatency({ settings, random }: Deps, call: Call): number {
  const { latencyMinMs, latencyMaxMs } = settings
  return latencyMaxMs === 0 ? 0 : random.between(streams.latency, call.n, latencyMinMs, latencyMaxMs)
}

/** Does not keep the process alive: a simulator that is closed has nobody left to answer. */
const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref())

function head(response: ServerResponse, call: Call, reply: Reply): void {
  call.status = reply.status
  call.error_code = reply.errorCode
  const headers: Record<string, string | number> = { 'X-Request-Id': call.request_id, ...reply.headers }
  if (reply.contentType !== '') headers['Content-Type'] = reply.contentType
  if (reply.status !== 204) headers['Content-Length'] = Buffer.byteLength(reply.body)
  response.writeHead(reply.status, headers)
}

function write(response: ServerResponse, call: Call, reply: Reply): void {
  if (response.destroyed) return
  head(response, call, reply)
  response.end(reply.body)
}

/** Head and the first half of the body leave the machine before the cut. */
function writeHalf(response: ServerResponse, call: Call, reply: Reply, reset: boolean): void {
  if (response.destroyed) return
  head(response, call, reply)
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
