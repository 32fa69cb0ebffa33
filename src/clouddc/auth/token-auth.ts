import type { Logger } from 'pino'
import type { Auth } from './auth.ts'
import { createRenewal } from './renewal.ts'
import type { TokenSource } from './token-source.ts'

/** Authentication by `X-Auth-Token`. */
export function createTokenAuth({ source, logger }: { source: TokenSource; logger: Logger }): Auth {
  let lastSent: string | undefined
  return {
    headersFor: async () => {
      lastSent = await source.current()
      return { 'X-Auth-Token': lastSent }
    },
    refused: createRenewal({
      what: 'the CloudDC token',
      renew: async () => {
        const refused = lastSent
        return (await source.renew()) !== refused
      },
      logger,
    }),
    answered: () => undefined,
  }
}
