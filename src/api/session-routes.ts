import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Access } from '../access/access.ts'
import { type Caller, OPEN_CALLER } from '../access/caller.ts'
import { mayChange } from '../access/foreign.ts'
import { SessionTooLargeError } from '../access/sessions.ts'
import {
  bearerIn,
  FOREIGN_PAGE,
  originsOf,
  PLAIN_COOKIE,
  SECURE_COOKIE,
  sessionIn,
  unauthorized,
} from './guard.ts'
import { ProblemError } from './problem.ts'

/** Who has signed in, as the page shows it. */
interface SignedIn {
  id: string
  roles: string[]
  /** A list, or `*`. */
  projects: string[] | '*'
  /** RFC 3339; null where nobody has to sign in. */
  expires_at: string | null
}

/** Signing in and out, for the page at /console alone: programs send their credential with each call. */
export function registerSessionRoutes(app: FastifyInstance, { access }: { access: Access | null }): void {
  app.post('/console/session', { schema: { hide: true } }, async (request, reply): Promise<SignedIn> => {
    if (access === null) return signedIn(OPEN_CALLER, null)
    const { authorization } = request.headers
    const identity = authorization === undefined ? null : await access.identify(bearerIn(authorization))
    if (identity === null) throw unauthorized(authorization !== undefined)
    const { value, until } = begin(() => access.beginSession(identity))
    const maxAge = Math.round((until - Date.now()) / 1000)
    setCookie(reply, { secure: request.protocol === 'https', value, maxAge })
    return signedIn(identity.caller, until)
  })

  /** Who has signed in; 204 when nobody has. */
  app.get('/console/session', { schema: { hide: true } }, async (request, reply) => {
    if (access === null) return signedIn(OPEN_CALLER, null)
    const session = sessionIn(request)
    const identity = session === undefined ? null : await access.identifySession(session)
    return identity === null ? reply.code(204).send() : signedIn(identity.caller, identity.expiresAt)
  })

  app.delete('/console/session', { schema: { hide: true } }, async (request, reply) => {
    if (request.headers.cookie !== undefined && !mayChange(originsOf(request))) throw FOREIGN_PAGE
    setCookie(reply, { secure: request.protocol === 'https', value: '', maxAge: 0 })
    return reply.code(204).send()
  })
}

function begin<Session>(session: () => Session): Session {
  try {
    return session()
  } catch (error) {
    if (!(error instanceof SessionTooLargeError)) throw error
    throw new ProblemError({ status: 400, code: 'session_too_large', detail: error.message })
  }
}

function setCookie(
  reply: FastifyReply,
  { secure, value, maxAge }: { secure: boolean; value: string; maxAge: number },
): void {
  const name = secure ? SECURE_COOKIE : PLAIN_COOKIE
  const options = { httpOnly: true, sameSite: 'strict', secure, path: '/', maxAge } as const
  reply.header('set-cookie', reply.server.serializeCookie(name, value, options))
}

function signedIn({ id, roles, projects }: Caller, until: number | null): SignedIn {
  return {
    id,
    roles: [...roles],
    projects: projects === '*' ? '*' : [...projects],
    expires_at: until === null ? null : new Date(until).toISOString(),
  }
}
