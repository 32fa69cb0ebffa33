import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { coerceError } from '../../runtime/errors.ts'
import { createSlots } from '../../runtime/slots.ts'
import type { IamTransport } from '../iam/iam-call.ts'
import { type Home, iamEndpoint } from '../regions.ts'
import { mayAnotherHelp } from '../unauthorized.ts'
import type { Auth, Method } from './auth.ts'
import { createSources } from './create-sources.ts'
import type { CredentialBook } from './credential-book.ts'
import { type Credential, credentialIdOf, NO_CREDENTIAL, regionOf } from './credentials.ts'
import { createKeyAuth } from './key-auth.ts'
import { createLocks, shownIn } from './locks.ts'
import { createTokenAuth } from './token-auth.ts'
import { createUpstreamClock } from './upstream-clock.ts'

/** Thrown when a call is not made because its project has no credential, or none that may be shown now. */
export class CredentialUnavailable extends Error {
  override readonly name = 'CredentialUnavailable'
}

/** How many fetches from IAM run at once that calls wait for. */
const FETCHES_AT_ONCE = 2
/** A third of what the gateway puts up with. */
const FAR_MS = 5 * 60_000

export interface AuthOptions {
  book: CredentialBook
  home: Home
  transport: IamTransport
  /** Told of each token and pair of keys that was fetched, with how long it lives. */
  onFetched?: (credentialId: string, lifeMs: number) => void
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}

/** What is known of one credential; it lasts for as long as what was configured is the same. */
interface Known {
  configured: readonly [Credential, Credential | null]
  id: string
  method: Method
  /** All its projects show the same; else each has a token of its own. */
  shared: boolean
}

/** Authentication of every project by its own credential. Without any credential at all calls carry none. */
export function createAuth(options: AuthOptions): Auth {
  const { book, home, transport, onFetched, logger, now = () => performance.now() } = options
  const clock = createUpstreamClock()
  const locks = createLocks(now)
  let clockIsOff = false
  const line = createSlots({ slots: FETCHES_AT_ONCE, maxWaiting: Number.POSITIVE_INFINITY })
  const knownById = new Map<string, Known>()
  /** By the headers that it made. */
  const shownBy = new WeakMap<Record<string, string>, Known>()

  const iamEndpointOf = (projectId: string | null) => {
    const credentials = book.known()
    return iamEndpoint(projectId && regionOf(credentials, projectId), home, credentials.regions)
  }

  const begin = (id: string, configured: Known['configured']): Known => {
    const own = logger.child({ credential: id })
    const waitInLine = <Result>(work: () => Promise<Result>) => line.run(work)
    const sources = createSources(...configured, {
      transport,
      iamEndpointOf,
      waitInLine,
      onFetched: (lifeMs) => onFetched?.(id, lifeMs),
      clock,
      now,
      logger: own,
    })
    const method =
      'keys' in sources
        ? createKeyAuth({ keys: sources.keys, clock, logger: own })
        : createTokenAuth({ sourceOf: sources.tokenOf, logger: own })
    return { configured, id, method, shared: 'keys' in sources || configured[0].kind === 'token' }
  }

  const configuredAs = (id: string): Known['configured'] | undefined => {
    const { byId } = book.known()
    const credential = byId.get(id)
    if (credential === undefined) return undefined
    return [credential, credential.kind === 'agency' ? (byId.get(credential.of) ?? null) : null]
  }
  const isInForce = ({ id, configured }: Known) => isDeepStrictEqual(configuredAs(id), configured)

  /** Null when nobody has a credential. */
  const knownFor = (projectId: string): Known | null => {
    const credentials = book.known()
    if (credentials.byId.size === 0) return null
    const id = credentialIdOf(credentials, projectId)
    const configured = id === null ? undefined : configuredAs(id)
    if (id === null || configured === undefined)
      throw new CredentialUnavailable('the project has no credential')
    const known = knownById.get(id)
    if (known !== undefined && isDeepStrictEqual(known.configured, configured)) return known
    const begun = begin(id, configured)
    knownById.set(id, begun)
    return begun
  }

  const answered = (date: string | undefined) => {
    clock.answered(date)
    const isOff = Math.abs(clock.aheadMs()) > FAR_MS
    if (isOff && !clockIsOff)
      logger.error(
        { aheadMs: clock.aheadMs() },
        "this machine's clock is far from CloudDC's, which is followed",
      )
    clockIsOff = isOff
  }

  return {
    headersFor: async (call) => {
      await book.current()
      const known = knownFor(call.projectId)
      if (known === null) return {}
      const headers = await known.method.headersFor(call).catch((error: unknown) => {
        const reason = coerceError(error).message
        throw new CredentialUnavailable(`credential ${known.id}: ${reason}`, { cause: error })
      })
      if (locks.isLocked(shownIn(headers)))
        throw new CredentialUnavailable(
          `credential ${known.id} is locked: nothing is sent with it for a while`,
        )
      shownBy.set(headers, known)
      return headers
    },
    refused: async (projectId, used, { fault, date }) => {
      await book.current()
      if (credentialIdOf(book.known(), projectId) === null) return false
      const known = knownFor(projectId)
      if (known === null) return false
      if (fault === 'locked' && locks.lock(shownIn(used)))
        logger.error({ credential: known.id }, 'CloudDC has locked the key; for five minutes it is not used')
      if (fault === 'clock') {
        const before = clock.aheadMs()
        answered(date)
        return clock.aheadMs() !== before
      }
      return mayAnotherHelp(fault) && known.method.refused(projectId, used)
    },
    answered,
    credentialOf: (projectId) => credentialIdOf(book.known(), projectId) ?? NO_CREDENTIAL,
    isShared: (projectId, used) => {
      const id = credentialIdOf(book.known(), projectId)
      const known = shownBy.get(used)
      return known?.shared === true && known.id === id && isInForce(known)
    },
  }
}
