import { createHash } from 'node:crypto'
import { isoTime } from './clock.ts'
import type { KeyRing } from './keys.ts'
import type { Settings } from './options.ts'
import type { Permissions } from './permissions.ts'
import { forbidden, gatewayRefusal, type Reply, refusal } from './reply.ts'
import { headerOf, isSigned, readClaim, type WireCall } from './signature.ts'
import type { Tokens } from './tokens.ts'

/**
 * Credentials of calls: tokens and signatures, beside each other. In mode `open` a call needs none, and one that the
 * simulator does not know passes; in mode `required` it must know it. A token or key that it knows is held to all its
 * rules in both modes.
 */
export type Auth = {
  /** Whom the call says it comes from, checked or not; '' for nobody known. */
  userOf(headers: WireCall['headers']): string
  /** Whose call it is; a refusal is in the gateway's words. `project` null: not bound to one. */
  identify(call: WireCall, region: string, now: number): Identity
  /** null when a call of this project may go on. */
  check(call: WireCall, at: { project: string; region: string; requestId: string; now: number }): Reply | null
}

export type Identity =
  | { ok: true; user: string; project: string | null }
  | { ok: false; code: 'APIGW.0301' | 'APIGW.0307'; reason: string }

export function createAuth({
  settings,
  tokens,
  keys,
  permissions,
}: {
  settings: Settings
  tokens: Tokens
  keys: KeyRing
  permissions: Permissions
}): Auth {
  const required = () => {
    const { authMode, authTokens, iamUsers, aksk } = settings
    return (
      (authMode ?? (authTokens.length + iamUsers.length + aksk.length > 0 ? 'required' : 'open')) ===
      'required'
    )
  }

  const byToken = (value: string, region: string, now: number): Identity => {
    const token = tokens.find(value)
    if (!token) {
      const good = !required() || settings.authTokens.includes(value)
      return good ? { ok: true, user: fixedUser(value), project: null } : refuse('decrypt token fail')
    }
    if (now >= token.expiresAt) return refuse(`token expires, expires_at: ${isoTime(token.expiresAt)}`)
    if (token.region !== region) {
      return { ok: false, code: 'APIGW.0307', reason: 'The token must be updated' }
    }
    return { ok: true, user: token.user, project: token.project }
  }

  const bySignature = (call: WireCall, now: number): Identity => {
    const accessKey = readClaim(call.headers)?.accessKey ?? ''
    if (!required() && keys.userOf(accessKey) === '') return { ok: true, user: '', project: null }
    const verdict = keys.verify(call, now)
    return 'refused' in verdict ? refuse(verdict.refused) : { ok: true, user: verdict.user, project: null }
  }

  const identify: Auth['identify'] = (call, region, now) => {
    if (isSigned(call.headers)) return bySignature(call, now)
    const token = headerOf(call.headers, 'x-auth-token')
    if (token !== '') return byToken(token, region, now)
    return required() ? refuse('x-auth-token not found') : { ok: true, user: '', project: null }
  }

  return {
    identify,
    userOf: (headers) => {
      if (isSigned(headers)) return keys.userOf(readClaim(headers)?.accessKey ?? '')
      const token = headerOf(headers, 'x-auth-token')
      return token === '' ? '' : (tokens.find(token)?.user ?? fixedUser(token))
    },
    check: (call, { project, region, requestId, now }) => {
      const identity = identify(call, region, now)
      if (!identity.ok) return wrongCredential(identity, requestId, settings)
      if (settings.projects.length > 0 && !settings.projects.includes(project)) return forbidden()
      if ((identity.project ?? project) !== project) return forbidden()
      if (!permissions.allows(identity.user, project)) return forbidden()
      if ((settings.projectRegions[project] ?? region) !== region) return forbidden()
      // A signed call names its project twice, and both must be the same.
      const named = isSigned(call.headers) ? headerOf(call.headers, 'x-project-id') : ''
      return named === '' || named === project ? null : forbidden()
    },
  }
}

const refuse = (reason: string): Identity => ({ ok: false, code: 'APIGW.0301', reason })

function wrongCredential(
  { code, reason }: { code: string; reason: string },
  requestId: string,
  { tokenRefusal }: Settings,
): Reply {
  if (code === 'APIGW.0307') return gatewayRefusal(401, code, reason, requestId)
  if (tokenRefusal === 'service' && /token/.test(reason)) {
    return refusal(401, 'iMetal.0003', 'Unauthorized')
  }
  return gatewayRefusal(401, code, `Incorrect IAM authentication information: ${reason}`, requestId)
}

/** A token that nobody issued has no name: its user is known by a digest of it. */
const fixedUser = (token: string) => `token-${createHash('sha256').update(token).digest('hex').slice(0, 12)}`
