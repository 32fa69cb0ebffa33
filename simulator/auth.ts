import { createHash } from 'node:crypto'
import { isoTime } from './clock.ts'
import type { KeyRing } from './keys.ts'
import { regionOf, type Settings } from './options.ts'
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
  /** Whose call it is; a refusal is in the gateway's words. `project` and `region` null: not bound to one. */
  identify(call: WireCall, now: number): Identity
  /** null when a call of this project may go on. */
  check(call: WireCall, at: { project: string; region: string; requestId: string; now: number }): Reply | null
}

export type Identity =
  | { ok: true; user: string; project: string | null; region: string | null }
  | { ok: false; reason: string }

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

  const byToken = (value: string, now: number): Identity => {
    const token = tokens.find(value)
    if (!token) {
      const good = !required() || settings.authTokens.includes(value)
      return good ? unbound(fixedUser(value)) : refuse('decrypt token fail')
    }
    if (now >= token.expiresAt) return refuse(`token expires, expires_at: ${isoTime(token.expiresAt)}`)
    return { ok: true, user: token.user, project: token.project, region: token.region }
  }

  const bySignature = (call: WireCall, now: number): Identity => {
    const accessKey = readClaim(call.headers)?.accessKey ?? ''
    if (!required() && keys.userOf(accessKey) === '') return unbound('')
    const verdict = keys.verify(call, now)
    return 'refused' in verdict ? refuse(verdict.refused) : unbound(verdict.user)
  }

  const identify: Auth['identify'] = (call, now) => {
    if (isSigned(call.headers)) return bySignature(call, now)
    const token = headerOf(call.headers, 'x-auth-token')
    if (token !== '') return byToken(token, now)
    return required() ? refuse('x-auth-token not found') : unbound('')
  }

  return {
    identify,
    userOf: (headers) => {
      if (isSigned(headers)) return keys.userOf(readClaim(headers)?.accessKey ?? '')
      const token = headerOf(headers, 'x-auth-token')
      return token === '' ? '' : (tokens.find(token)?.user ?? fixedUser(token))
    },
    check: (call, { project, region, requestId, now }) => {
      const identity = identify(call, now)
      const signed = isSigned(call.headers)
      if (!identity.ok) {
        if (settings.tokenRefusal === 'service' && !signed) return refusal(401, 'iMetal.0003', 'Unauthorized')
        const words = `Incorrect IAM authentication information: ${identity.reason}`
        return gatewayRefusal(401, 'APIGW.0301', words, requestId)
      }
      if ((identity.region ?? region) !== region) {
        return gatewayRefusal(401, 'APIGW.0307', 'The token must be updated', requestId)
      }
      if (settings.projects.length > 0 && !settings.projects.includes(project)) return forbidden()
      if ((identity.project ?? project) !== project) return forbidden()
      if (!permissions.allows(identity.user, project)) return forbidden()
      if ((regionOf(settings, project) ?? region) !== region) return forbidden()
      // A signed call names its project twice, and both must be the same.
      const named = signed ? headerOf(call.headers, 'x-project-id') : ''
      return named === '' || named === project ? null : forbidden()
    },
  }
}

const refuse = (reason: string): Identity => ({ ok: false, reason })
const unbound = (user: string): Identity => ({ ok: true, user, project: null, region: null })

/** A token that nobody issued has no name: its user is known by a digest of it. */
const fixedUser = (token: string) => `token-${createHash('sha256').update(token).digest('hex').slice(0, 12)}`
