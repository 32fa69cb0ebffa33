import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Issuer } from './access-file.ts'
import { type Caller, PROJECT_ID } from './caller.ts'
import type { KeySets } from './key-sets.ts'
import { ACCESS_ROLES } from './who-may.ts'

/** Asymmetric alone: with a shared secret, whoever can judge a token could make one. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
/** How far the clock of an issuer may be ahead, in seconds. */
const AHEAD_S = 5
/** Reasons that lie in the token, not in the way to the keys. */
const NO_KEY = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported]

/** Thrown when a token cannot be judged, since the keys of its issuer cannot be had now. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

export interface VerifiedToken {
  caller: Caller
  issuer: Issuer
  /** Milliseconds since 1970. */
  expiresAt: number
}

/**
 * Whose token this is; null for one that is malformed, not signed by an issuer of ours, not meant for us, over, or not
 * yet valid at `now` (milliseconds since 1970).
 * @throws {KeysUnavailableError}
 */
export async function verifyToken(
  token: string,
  { issuers, keySets, now }: { issuers: readonly Issuer[]; keySets: KeySets; now: number },
): Promise<VerifiedToken | null> {
  const named = issuerIn(token)
  for (const issuer of issuers) {
    if (issuer.issuer !== named) continue
    const payload = await verify(token, issuer, keySets.of(issuer.keys), now)
    const caller = payload && callerIn(payload, issuer)
    if (caller && payload?.exp !== undefined) return { caller, issuer, expiresAt: payload.exp * 1000 }
  }
  return null
}

/** What a token says of its issuer, which is not proven. */
function issuerIn(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

async function verify(
  token: string,
  { issuer, audience }: Issuer,
  keys: JWTVerifyGetKey,
  now: number,
): Promise<JWTPayload | null> {
  const key: JWTVerifyGetKey = async (header, parts) => {
    try {
      return await keys(header, parts)
    } catch (error) {
      if (NO_KEY.some((kind) => error instanceof kind)) throw error
      throw new KeysUnavailableError(`the keys of ${issuer} cannot be had`, { cause: error })
    }
  }
  try {
    const { payload } = await jwtVerify(token, key, {
      issuer,
      audience,
      algorithms: ALGORITHMS,
      requiredClaims: ['exp', 'sub'],
      clockTolerance: AHEAD_S,
      currentDate: new Date(now),
    })
    const { exp = 0, iat = 0 } = payload
    // The tolerance is for clocks that are ahead, not for tokens that are over.
    return exp * 1000 > now && iat * 1000 <= now + AHEAD_S * 1000 ? payload : null
  } catch (error) {
    if (error instanceof KeysUnavailableError) throw error
    return null
  }
}

/** A subject is one issuer's: it holds no space, so that no two of different issuers have the same id. */
function callerIn(payload: JWTPayload, { issuer, rolesClaim, projectsClaim }: Issuer): Caller | null {
  const { sub } = payload
  if (typeof sub !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(sub)) return null
  const roles = wordsOf(claimOf(payload, rolesClaim))
  const projects = wordsOf(claimOf(payload, projectsClaim))
  return {
    id: `token:${sub} of ${issuer}`,
    roles: new Set(ACCESS_ROLES.filter((role) => roles.includes(role))),
    projects: projects.includes('*') ? '*' : new Set(projects.filter((id) => PROJECT_ID.test(id))),
  }
}

/** A claim by its name, or by the path to it, such as `realm_access.roles`. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name]
  let value: unknown = payload
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

/** A list, or words with spaces between them, as issuers write scopes. */
function wordsOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((word) => word !== '')
  return Array.isArray(claim) ? claim.filter((word) => typeof word === 'string') : []
}
