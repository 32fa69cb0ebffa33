import type { Logger } from 'pino'
import { createWatchedFile } from '../runtime/watched-file.ts'
import { type AccessRules, parseAccessFile } from './access-file.ts'
import { type Authenticator, createAuthenticator } from './authenticator.ts'
import { createKeySets } from './key-sets.ts'

/** Who may use the API, by the access file as it stands. */
export type Access = Authenticator

/**
 * Follows the access file: a change is in force about a second later, and what was believed of credentials is forgotten
 * with it. One with faults leaves the last good one in force, with an error in the log.
 */
export function createAccess({
  path,
  first,
  logger,
  now,
}: {
  path: string
  /** As read at the start. */
  first: AccessRules
  logger: Logger
  /** Milliseconds since 1970. */
  now?: () => number
}): Access {
  const file = createWatchedFile({
    path,
    first,
    what: 'the access to the API',
    level: 'error',
    read: parseAccessFile,
    logger,
  })
  const keySets = createKeySets({ logger })
  const judgeBy = (rules: AccessRules) => ({
    rules,
    authenticator: createAuthenticator({ rules, keySets, ...(now ? { now } : {}) }),
  })
  let judging = judgeBy(first)

  return {
    identify: async (credential) => {
      const rules = await file.current()
      if (rules !== judging.rules) judging = judgeBy(rules)
      return judging.authenticator.identify(credential)
    },
  }
}
