import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Auth, Method } from './auth.ts'
import { createMethod } from './create-method.ts'
import type { CredentialBook } from './credential-book.ts'
import { type Credential, credentialIdOf } from './credentials.ts'
import { createUpstreamClock } from './upstream-clock.ts'

/** Thrown when a call is not made because its project has no credential, or none that may be used now. */
export class CredentialUnavailable extends Error {
  override readonly name = 'CredentialUnavailable'
}

/** Authentication of every project by its own credential. Without any credential at all calls carry none. */
export function createAuth({ book, logger }: { book: CredentialBook; logger: Logger }): Auth {
  const clock = createUpstreamClock()
  const methods = new Map<string, { credential: Credential; method: Method }>()

  /** What a method has learned stays with it for as long as its credential is the same. */
  const methodOf = (id: string, credential: Credential): Method => {
    const known = methods.get(id)
    if (known !== undefined && isDeepStrictEqual(known.credential, credential)) return known.method
    const method = createMethod(credential, { clock, logger: logger.child({ credential: id }) })
    methods.set(id, { credential, method })
    return method
  }

  /** Null when nobody has a credential. */
  const methodFor = (projectId: string): Method | null => {
    const credentials = book.known()
    if (credentials.byId.size === 0) return null
    const id = credentialIdOf(credentials, projectId)
    const credential = id === null ? undefined : credentials.byId.get(id)
    if (id === null || credential === undefined)
      throw new CredentialUnavailable('the project has no credential')
    return methodOf(id, credential)
  }

  return {
    headersFor: async (call) => {
      await book.current()
      return (await methodFor(call.projectId)?.headersFor(call)) ?? {}
    },
    refused: async (projectId, used) => {
      await book.current()
      try {
        return (await methodFor(projectId)?.refused(projectId, used)) ?? false
      } catch (error) {
        if (error instanceof CredentialUnavailable) return false
        throw error
      }
    },
    answered: clock.answered,
    credentialOf: (projectId) => credentialIdOf(book.known(), projectId) ?? 'none',
  }
}
