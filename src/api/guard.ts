import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.ts'
import { type Caller, judge, NOBODY, OPEN_CALLER } from '../access/caller.ts'
import { isForeignHost, isForeignPage, isProbe, mayChange, type Origins } from '../access/foreign.ts'
import { ruleOf } from '../access/who-may.ts'
import { registerCallerLimit } from './caller-limit.ts'
import { ProblemError } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Whoever reaches a handler may use its route, for the project in its path. */
    caller: Caller
  }
}

export interface GuardOptions {
  /** Null: everybody may do everything, as often as they like. */
  access: Access | null
  /** Names by which the API may be addressed, beside addresses and localhost; null: by whatever name. */
  hosts: ReadonlySet<string> | null
  /** Requests of one caller. */
  perSecond: number
}

/** The names of a session's cookie: over HTTPS the browser itself holds it to this host, whole and encrypted. */
export const SECURE_COOKIE = '__Host-provisioner'
export const PLAIN_COOKIE = 'provisioner'

/**
 * Lets each route be used only by those whom its row in who-may.ts names, not by pages of other sites, and not too often.
 * Comes before all routes.
 */
export function registerGuard(app: FastifyInstance, { access, hosts, perSecond }: GuardOptions): void {
  app.decorateRequest('caller')
  app.register(cookie, { hook: false })
  const limit = access && registerCallerLimit(app, { perSecond })

  app.addHook('onRequest', async (request) => {
    request.caller = NOBODY
    if (request.is404) return
    const { method, host, headers } = request
    const route = request.routeOptions.url
    if (hosts !== null && isForeignHost({ host, route }, hosts)) throw FOREIGN_HOST
    // Programs do not send it, and need no further look.
    if (headers['sec-fetch-site'] !== undefined && isForeignPage(originsOf(request))) throw FOREIGN_PAGE

    const rule = ruleOf(method, route ?? '')
    const credential = credentialIn(request)
    if (access === null || limit === null) request.caller = OPEN_CALLER
    else {
      if (rule?.role != null) request.caller = await callerBy(credential, request, access)
      if (!isProbe(route)) await limit(request)
    }
    const judgement = judge(rule, request.caller, projectIn(request))
    if (judgement === 'unknown') throw unauthorized(credential !== null)
    if (judgement === 'forbidden') throw FORBIDDEN
  })
}

type Credential = { bearer: string } | { session: string }

async function callerBy(
  credential: Credential | null,
  request: FastifyRequest,
  access: Access,
): Promise<Caller> {
  if (credential === null) return NOBODY
  if ('bearer' in credential) return (await access.identify(credential.bearer))?.caller ?? NOBODY
  const identity = await access.identifySession(credential.session)
  if (identity !== null && !mayChange(originsOf(request))) throw FOREIGN_PAGE
  return identity?.caller ?? NOBODY
}

/** A header counts before a cookie. */
function credentialIn(request: FastifyRequest): Credential | null {
  const { authorization } = request.headers
  if (authorization !== undefined) return { bearer: bearerIn(authorization) }
  const session = sessionIn(request)
  return session === undefined ? null : { session }
}

/** The value of a session's cookie. */
export function sessionIn({ headers, server }: FastifyRequest): string | undefined {
  if (headers.cookie === undefined) return undefined
  const { [SECURE_COOKIE]: secure, [PLAIN_COOKIE]: plain } = server.parseCookie(headers.cookie)
  return secure ?? plain
}

/** What stands after `Bearer`; empty, which nobody's credential is, for any other scheme. */
export function bearerIn(authorization: string): string {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? ''
}

export function originsOf(request: FastifyRequest): Origins {
  const { headers, method, host } = request
  const single = (name: string) => {
    const value = headers[name]
    return Array.isArray(value) ? value.join(',') : value
  }
  return {
    method,
    route: request.routeOptions.url,
    host,
    secFetchSite: single('sec-fetch-site'),
    secFetchMode: single('sec-fetch-mode'),
    secFetchDest: single('sec-fetch-dest'),
    origin: single('origin'),
  }
}

function projectIn({ params }: FastifyRequest): string | undefined {
  return (params as { project_id?: string }).project_id
}

/** For a caller without a credential, or with a bad one. */
export function unauthorized(shownOne: boolean): ProblemError {
  return new ProblemError({
    status: 401,
    code: 'unauthorized',
    detail: shownOne
      ? 'the credential is not valid here, or not any more'
      : 'a key or a token is needed: Authorization: Bearer <key or token>',
    headers: { 'www-authenticate': `Bearer realm="provisioner"${shownOne ? ', error="invalid_token"' : ''}` },
  })
}

/** One text for every reason: it tells nothing of what exists. */
const FORBIDDEN = new ProblemError({
  status: 403,
  code: 'forbidden',
  detail: 'the credential does not allow this, or not for this project',
})
const FOREIGN_HOST = new ProblemError({
  status: 403,
  code: 'foreign_host',
  detail: 'this is no name of this service; API_HOSTS may hold more',
})
export const FOREIGN_PAGE = new ProblemError({
  status: 403,
  code: 'foreign_page',
  detail: 'pages of other sites may not ask here',
})
