import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { jitteredBackoff } from '../../runtime/backoff.ts'
import { type IamTransport, isRefused } from '../iam/iam-call.ts'
import type { Lease } from '../iam/lease.ts'
import { askMetadataForKeys, METADATA_ENDPOINT } from '../iam/metadata.ts'
import { askForAgencyKeys } from '../iam/temporary-keys.ts'
import { askForToken, type Scope } from '../iam/tokens.ts'
import type { Credential, Secret } from './credentials.ts'
import { createFileToken } from './file-token.ts'
import { composeKeys, type Keys } from './key-auth.ts'
import { createRefusalGuard, REFUSED_PAUSE_MS } from './refusal-guard.ts'
import { createRenewing } from './renewing.ts'
import { readToken, type Source } from './source.ts'
import type { UpstreamClock } from './upstream-clock.ts'

export interface SourceDependencies {
  transport: IamTransport
  /** Base URL of IAM for a project; null is that of the installation. */
  iamEndpointOf: (projectId: string | null) => string
  /** Runs the fetches that calls wait for. */
  waitInLine?: <Result>(work: () => Promise<Result>) => Promise<Result>
  /** Told of each token and pair of keys that was fetched, with how long it lives. */
  onFetched?: ((lifeMs: number) => void) | undefined
  clock: UpstreamClock
  /** Milliseconds on a clock that never goes back. */
  now: () => number
  /** Knows the credential that it speaks of. */
  logger: Logger
}

/** Where keys come from, or the tokens of projects. */
export type Sources = { keys: Source<Keys> } | { tokenOf: (projectId: string) => Source<string> }

const TROUBLE = { minMs: 1000, maxMs: 60_000 }
const REFUSED = { minMs: 2 * REFUSED_PAUSE_MS, maxMs: 30 * 60_000 }

/** The sources of a credential; `base` is the credential that acts for it, where it is an agency. */
export function createSources(
  credential: Credential,
  base: Credential | null,
  deps: SourceDependencies,
): Sources {
  const { transport, iamEndpointOf, clock } = deps
  const guard = createRefusalGuard({ isRefused, now: deps.now })
  const renewing = renewingBy(deps)
  const tokensBy = (ask: (endpoint: string, scope: Scope) => Promise<Lease<string>>) => ({
    tokenOf: remembered((projectId) =>
      renewing(`the token of project ${projectId}`, () =>
        guard(projectId, () => ask(iamEndpointOf(projectId), { project: { id: projectId } })),
      ),
    ),
  })

  switch (credential.kind) {
    case 'token': {
      const source = sourceOf(credential.token, 'the CloudDC token', deps.logger)
      return { tokenOf: () => source }
    }
    case 'aksk': {
      const { accessKey, secretKey, securityToken } = credential
      const keys = composeKeys({
        accessKey: sourceOf(accessKey, 'the access key', deps.logger),
        secretKey: sourceOf(secretKey, 'the secret key', deps.logger),
        securityToken: securityToken && sourceOf(securityToken, 'the security token', deps.logger),
      })
      return { keys }
    }
    case 'metadata':
      return {
        keys: renewing('the keys of this machine', () =>
          askMetadataForKeys(transport, credential.endpoint ?? METADATA_ENDPOINT),
        ),
      }
    case 'password': {
      const { kind: by, user, password, domain } = credential
      const proof = { by, user, password, domain }
      return tokensBy((endpoint, scope) => askForToken(transport, { endpoint, proof, scope }))
    }
    case 'oidc':
      return tokensBy(async (endpoint, scope) => {
        const idToken = readToken(await readFile(credential.idTokenFile, 'utf8'))
        const proof = { by: 'oidc' as const, idpId: credential.idpId, idToken }
        return askForToken(transport, { endpoint, proof, scope })
      })
    case 'agency': {
      const { domain, agency } = credential
      if (base === null || base.kind === 'agency') throw new Error('nobody acts for the agency')
      const acting = createActing(base, deps)
      const domainId = base.kind === 'aksk' ? base.domainId : undefined
      if ('keys' in acting)
        return {
          keys: renewing('the keys of the agency', () =>
            shownBy(acting.keys, (keys) => {
              const request = { endpoint: iamEndpointOf(null), keys, domainId, domain, agency, clock }
              return guard('', () => askForAgencyKeys(transport, request))
            }),
          ),
        }
      return tokensBy((endpoint, scope) =>
        shownBy(acting.tokenAt(endpoint), (token) => {
          const proof = { by: 'agency' as const, token, domain, agency }
          return askForToken(transport, { endpoint, proof, scope })
        }),
      )
    }
  }
}

/** Shows IAM what a source has; where IAM refuses that and the source then has another, that one, once. */
async function shownBy<Value, Result>(
  source: Source<Value>,
  show: (value: Value) => Promise<Result>,
): Promise<Result> {
  const value = await source.current()
  try {
    return await show(value)
  } catch (error) {
    if (!isRefused(error)) throw error
    const another = await source.renew(value).catch(() => value)
    if (isDeepStrictEqual(another, value)) throw error
    return show(another)
  }
}

/** Values that IAM gives, with its troubles in mind. */
function renewingBy({ waitInLine, onFetched, now, logger }: SourceDependencies) {
  return <Value>(what: string, fetch: () => Promise<Lease<Value>>): Source<Value> =>
    createRenewing({
      what,
      fetch,
      onFetched,
      ...(waitInLine === undefined ? {} : { waitInLine }),
      pauseMs: (error, failures) => jitteredBackoff(failures, isRefused(error) ? REFUSED : TROUBLE),
      now,
      logger,
    })
}

/**
 * What the credential that acts as an agency shows IAM: its keys, or a token of its own account. Those who wait for it
 * have a place in the line already.
 */
function createActing(
  base: Credential,
  { waitInLine: _, ...deps }: SourceDependencies,
): { keys: Source<Keys> } | { tokenAt: (endpoint: string) => Source<string> } {
  if (base.kind !== 'password') {
    const sources = createSources(base, null, deps)
    return 'keys' in sources ? sources : { tokenAt: () => sources.tokenOf('') }
  }
  const { user, password, domain } = base
  const guard = createRefusalGuard({ isRefused, now: deps.now })
  const renewing = renewingBy(deps)
  return {
    tokenAt: remembered((endpoint) =>
      renewing('the token of the acting account', () =>
        guard(endpoint, () =>
          askForToken(deps.transport, {
            endpoint,
            proof: { by: 'password', user, password, domain },
            scope: { domain: { name: domain } },
          }),
        ),
      ),
    ),
  }
}

function sourceOf(secret: Secret, what: string, logger: Logger): Source<string> {
  if ('file' in secret) return createFileToken({ path: secret.file, what, logger })
  const value = readToken(secret.value)
  return { current: async () => value, renew: async () => value }
}

/** Makes each thing once. */
function remembered<Value>(make: (key: string) => Value): (key: string) => Value {
  const made = new Map<string, Value>()
  return (key) => {
    const known = made.get(key)
    if (known !== undefined) return known
    const value = make(key)
    made.set(key, value)
    return value
  }
}
