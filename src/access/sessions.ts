import { timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { SealError, type Sealer } from '../secrets/seal.ts'
import type { AccessRules } from './access-file.ts'
import { callerOf, type Identity } from './authenticator.ts'
import { isInForce } from './keys.ts'
import { ACCESS_ROLES } from './who-may.ts'

/** How long a session lasts that began with a credential that lasts longer, in milliseconds. */
const SESSION_MS = 12 * 3_600_000
/** What a browser keeps of a cookie, with room for its name and attributes. */
const MAX_LENGTH = 3800
/** No project and request have this form, so nothing else that is sealed can be taken for a session. */
const CONTEXT = 'console session'

/** Thrown when a session does not fit into a cookie: a token that names hundreds of projects. */
export class SessionTooLargeError extends Error {
  override readonly name = 'SessionTooLargeError'
}

const sessionSchema = z.union([
  z.strictObject({ until: z.number(), key: z.string(), sha256: z.string() }),
  z.strictObject({
    until: z.number(),
    issuer: z.string(),
    audience: z.string(),
    id: z.string(),
    roles: z.array(z.enum(ACCESS_ROLES)),
    projects: z.union([z.literal('*'), z.array(z.string())]),
  }),
])
type Session = z.output<typeof sessionSchema>

/**
 * What stands in the cookie of somebody who has signed in. It holds no credential, lasts 12 hours or to the
 * credential's end, and opens on every replica that has the same secret keys.
 * @throws {SessionTooLargeError}
 */
export function sealSession(
  { caller, expiresAt, basis }: Identity,
  { sealer, now }: { sealer: Sealer; now: number },
): { value: string; until: number } {
  const until = Math.min(now + SESSION_MS, expiresAt ?? Number.POSITIVE_INFINITY)
  const session: Session =
    'key' in basis
      ? { until, key: basis.key.id, sha256: basis.key.sha256.toString('base64') }
      : {
          until,
          issuer: basis.issuer.issuer,
          audience: basis.issuer.audience,
          id: caller.id,
          roles: [...caller.roles],
          projects: caller.projects === '*' ? '*' : [...caller.projects],
        }
  const value = sealer.seal(JSON.stringify(session), CONTEXT).toString('base64url')
  if (value.length > MAX_LENGTH) throw new SessionTooLargeError('the token says too much for a cookie')
  return { value, until }
}

/**
 * Who has signed in, by the rules as they are now: the key must still be the same, with its present roles and projects,
 * or the token's issuer still be believed. Null for what is no session, or is over.
 */
export function openSession(
  value: string,
  { sealer, rules, now }: { sealer: Sealer; rules: AccessRules; now: number },
): Identity | null {
  const session = readSession(value, sealer)
  if (session === null || now >= session.until) return null
  if ('key' in session) {
    const key = rules.keys.find(({ id }) => id === session.key)
    if (key === undefined || !isInForce(key, now) || !isSame(key.sha256, session.sha256)) return null
    return { caller: callerOf(key), expiresAt: session.until, basis: { key } }
  }
  const issuer = rules.issuers.find(
    (one) => one.issuer === session.issuer && one.audience === session.audience,
  )
  if (issuer === undefined) return null
  const { id, roles, projects } = session
  const caller = { id, roles: new Set(roles), projects: projects === '*' ? projects : new Set(projects) }
  return { caller, expiresAt: session.until, basis: { issuer } }
}

function readSession(value: string, sealer: Sealer): Session | null {
  try {
    return sessionSchema.parse(JSON.parse(sealer.open(Buffer.from(value, 'base64url'), CONTEXT)))
  } catch (error) {
    if (error instanceof SealError || error instanceof SyntaxError || error instanceof z.ZodError) return null
    throw error
  }
}

function isSame(digest: Buffer, encoded: string): boolean {
  const other = Buffer.from(encoded, 'base64')
  return other.length === digest.length && timingSafeEqual(other, digest)
}
