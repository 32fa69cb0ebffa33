import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.ts'
import { type Caller, judge, NOBODY, OPEN_CALLER } from '../access/caller.ts'
import { ruleOf } from '../access/who-may.ts'
import { ProblemError } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. Whoever reaches a handler may use its route, for the project in its path. */
    caller: Caller
  }
}

export interface GuardOptions {
  /** Null: everybody may do everything. */
  access: Access | null
}

/** Lets each route be used only by those whom its row in who-may.ts names. Comes before all routes. */
export function registerGuard(app: FastifyInstance, { access }: GuardOptions): void {
  app.decorateRequest('caller')

  app.addHook('onRequest', async (request) => {
    request.caller = NOBODY
    if (request.is404) return
    const rule = ruleOf(request.method, request.routeOptions.url ?? '')
    const credential = credentialIn(request)
    if (access === null) request.caller = OPEN_CALLER
    else if (rule?.role != null && credential !== undefined) {
      request.caller = (await access.identify(credential))?.caller ?? NOBODY
    }
    const judgement = judge(rule, request.caller, projectIn(request))
    if (judgement === 'unknown') throw unauthorized(credential !== undefined)
    if (judgement === 'forbidden') throw FORBIDDEN
  })
}

/** What stands after `Bearer`. */
function credentialIn({ headers: { authorization } }: FastifyRequest): string | undefined {
  return authorization === undefined ? undefined : (/^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '')
}

function projectIn({ params }: FastifyRequest): string | undefined {
  return (params as { project_id?: string }).project_id
}

function unauthorized(shownOne: boolean): ProblemError {
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
