import type { Logger } from 'pino'
import { createWatchedFile } from '../runtime/watched-file.ts'
import type { Sealer } from '../secrets/seal.ts'
import { type AccessRules, parseAccessFile } from './access-file.ts'
import { createAuthenticator, type Identity } from './authenticator.ts'
import { createKeySets } from './key-sets.ts'
import { openSession, sealSession } from './sessions.ts'

/** Who may use the API, by the access file as it stands. */
export interface Access {
  /**
   * Whose key or token this is; null for nobody's.
   * @throws {KeysUnavailableError} when a token cannot be judged now
   */
  identify(credential: string): Promise<Identity | null>
  /** Whose session this is; null for nobody's, or when it or what it rests on is over. */
  identifySession(value: string): Promise<Identity | null>
  /**
   * Begins a session: what to send back with each call, and until when it lasts (milliseconds since 1970).
   * @throws {SessionTooLargeError}
   */
  beginSession(identity: Identity): { value: string; until: number }
}

export interface AccessOptions {
  /** The rules in force. */
  rules: () => Promise<AccessRules>
  /** Seals sessions, alike on every replica. */
  sealer: Sealer
  logger: Logger
  /** Milliseconds since 1970. */
  now?: () => number
}

/**
 * The rules of a file, followed: a change is in force about a second later. One with faults leaves the last good ones in
 * force, with an error in the log.
 */
export function followRules(options: {
  path: string
  /** As read at the start. */
  first: AccessRules
  logger: Logger
}): () => Promise<AccessRules> {
  return createWatchedFile({
    ...options,
    what: 'the access to the API',
    level: 'error',
    read: parseAccessFile,
  }).current
}

export function createAccess({ rules, sealer, logger, now = Date.now }: AccessOptions): Access {
  const keySets = createKeySets({ logger })
  let judging: { by: AccessRules; authenticator: ReturnType<typeof createAuthenticator> } | undefined

  return {
    identify: async (credential) => {
      const by = await rules()
      // What was believed of credentials is forgotten with the rules by which it was.
      if (judging?.by !== by)
        judging = { by, authenticator: createAuthenticator({ rules: by, keySets, now }) }
      return judging.authenticator.identify(credential)
    },
    identifySession: async (value) => openSession(value, { sealer, rules: await rules(), now: now() }),
    beginSession: (identity) => sealSession(identity, { sealer, now: now() }),
  }
}
