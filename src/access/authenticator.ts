import { hash, randomBytes } from 'node:crypto'
import type { AccessKey, AccessRules, Issuer } from './access-file.ts'
import type { Caller } from './caller.ts'
import type { KeySets } from './key-sets.ts'
import { findKey } from './keys.ts'
import { verifyToken } from './tokens.ts'

/** How long a credential that was found good is believed without another look, in milliseconds. */
const BELIEVED_MS = 10_000
const MAX_BELIEVED = 10_000

/** A caller, and what proves who it is. */
export interface Identity {
  caller: Caller
  /** Milliseconds since 1970; null: the credential does not end. */
  expiresAt: number | null
  basis: { key: AccessKey } | { issuer: Issuer }
}

export interface Authenticator {
  /**
   * Whose key or token this is; null for nobody's.
   * @throws {KeysUnavailableError} when a token cannot be judged now
   */
  identify(credential: string): Promise<Identity | null>
}

/**
 * Judges credentials by one state of the access file. What was found good is believed for ten seconds at most, and never
 * beyond its end, so that a caller who asks often costs one signature in that time. Remembered is a salted digest, so
 * that how long the look-up takes tells nothing of a credential.
 */
export function createAuthenticator({
  rules,
  keySets,
  now,
}: {
  rules: AccessRules
  keySets: KeySets
  /** Milliseconds since 1970. */
  now: () => number
}): Authenticator {
  const salt = randomBytes(32).toString('base64')
  const believed = new Map<string, { identity: Identity; until: number }>()

  const judge = async (credential: string): Promise<Identity | null> => {
    const key = findKey(rules.keys, credential, now())
    if (key !== undefined) return { caller: callerOf(key), expiresAt: key.expiresAt, basis: { key } }
    const token = await verifyToken(credential, { issuers: rules.issuers, keySets, now: now() })
    if (token === null) return null
    return { caller: token.caller, expiresAt: token.expiresAt, basis: { issuer: token.issuer } }
  }

  return {
    identify: async (credential) => {
      const name = hash('sha256', salt + credential, 'base64')
      const known = believed.get(name)
      if (known !== undefined && now() < known.until) return known.identity
      believed.delete(name)
      const identity = await judge(credential)
      if (identity === null) return null
      const until = Math.min(now() + BELIEVED_MS, identity.expiresAt ?? Number.POSITIVE_INFINITY)
      const [oldest] = believed.keys()
      if (believed.size >= MAX_BELIEVED && oldest !== undefined) believed.delete(oldest)
      believed.set(name, { identity, until })
      return identity
    },
  }
}

export function callerOf({ id, roles, projects }: AccessKey): Caller {
  return { id: `key:${id}`, roles, projects }
}
