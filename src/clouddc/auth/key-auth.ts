import type { Logger } from 'pino'
import type { Auth } from './auth.ts'
import { createRenewal } from './renewal.ts'
import { sdkDate, signatureOf } from './signing.ts'
import type { TokenSource } from './token-source.ts'
import { createUpstreamClock, type UpstreamClock } from './upstream-clock.ts'

interface Keys {
  accessKey: string
  secretKey: string
  securityToken: string | null
}

/**
 * Authentication by a signature with access and secret key, permanent ones or temporary ones with their security token.
 * Signed is what stands on the wire, and no header that a proxy or the HTTP client adds.
 */
export function createKeyAuth({
  accessKey,
  secretKey,
  securityToken,
  clock = createUpstreamClock(),
  logger,
}: {
  accessKey: TokenSource
  secretKey: TokenSource
  /** Of temporary keys; null for permanent ones. */
  securityToken: TokenSource | null
  clock?: UpstreamClock
  logger: Logger
}): Auth {
  let lastUsed: Keys | undefined

  const keysBy = async (read: 'current' | 'renew'): Promise<Keys> => {
    const [access, secret, token] = await Promise.all([
      accessKey[read](),
      secretKey[read](),
      securityToken?.[read]() ?? null,
    ])
    return { accessKey: access, secretKey: secret, securityToken: token }
  }

  return {
    headersFor: async ({ projectId, method, path, query, headers, body }) => {
      const keys = await keysBy('current')
      lastUsed = keys
      const added = {
        'X-Project-Id': projectId,
        'X-Sdk-Date': sdkDate(clock.now()),
        ...(keys.securityToken === null ? {} : { 'X-Security-Token': keys.securityToken }),
      }
      const request = { method, path, query, headers: { ...headers, ...added }, body }
      return { ...added, Authorization: signatureOf(request, keys) }
    },
    refused: createRenewal({
      what: 'the CloudDC access key',
      renew: async () => {
        const refused = lastUsed
        const found = await keysBy('renew')
        return (
          found.accessKey !== refused?.accessKey ||
          found.secretKey !== refused.secretKey ||
          found.securityToken !== refused.securityToken
        )
      },
      logger,
    }),
    answered: clock.answered,
  }
}
