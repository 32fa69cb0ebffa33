import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Method } from './auth.ts'
import { createRenewal } from './renewal.ts'
import { sdkDate, signatureOf } from './signing.ts'
import type { Source } from './source.ts'
import type { UpstreamClock } from './upstream-clock.ts'

export interface Keys {
  accessKey: string
  secretKey: string
  /** Of temporary keys; null for permanent ones. */
  securityToken: string | null
}

/**
 * Authentication by a signature with access and secret key, permanent ones or temporary ones with their security token.
 * Signed is what stands on the wire, and no header that a proxy or the HTTP client adds.
 */
export function createKeyAuth({
  keys: source,
  clock,
  what = 'the CloudDC access key',
  logger,
}: {
  keys: Source<Keys>
  clock: UpstreamClock
  /** As the log calls them. */
  what?: string
  logger: Logger
}): Method {
  const renewal = createRenewal({ what, logger })
  const usedKeys = new WeakMap<Record<string, string>, Keys>()

  return {
    headersFor: async ({ projectId, method, path, query, headers, body }) => {
      const keys = await source.current()
      const added = { 'X-Project-Id': projectId, ...signingHeaders(keys, clock) }
      const request = { method, path, query, headers: { ...headers, ...added }, body }
      const signed = { ...added, Authorization: signatureOf(request, keys) }
      usedKeys.set(signed, keys)
      return signed
    },
    refused: (_, used) => {
      const refused = usedKeys.get(used)
      return renewal(source, async () => !isDeepStrictEqual(await source.renew(refused), refused))
    },
  }
}

/** What a signed call carries beside its signature, and signs. */
export function signingHeaders({ securityToken }: Keys, clock: UpstreamClock): Record<string, string> {
  const date = { 'X-Sdk-Date': sdkDate(clock.now()) }
  return securityToken === null ? date : { ...date, 'X-Security-Token': securityToken }
}

/** Keys of which each half comes from where it is kept. */
export function composeKeys({
  accessKey,
  secretKey,
  securityToken,
}: {
  accessKey: Source<string>
  secretKey: Source<string>
  securityToken: Source<string> | null
}): Source<Keys> {
  const keysBy = async (read: 'current' | 'renew'): Promise<Keys> => {
    const [access, secret, token] = await Promise.all([
      accessKey[read](),
      secretKey[read](),
      securityToken?.[read]() ?? null,
    ])
    return { accessKey: access, secretKey: secret, securityToken: token }
  }
  return { current: () => keysBy('current'), renew: () => keysBy('renew') }
}
