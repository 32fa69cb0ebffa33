import type { Logger } from 'pino'
import { coerceError } from '../runtime/errors.ts'
import { createFileToken } from './file-token.ts'
import { readToken, type TokenSource } from './token-source.ts'

export interface Auth {
  /** The headers that authenticate a call; none when no token is configured. Rejects when the token cannot be read. */
  header(): Promise<Record<string, string>>
  /**
   * Looks for a new token, after one was refused; true when there is one. Calls at the same moment share one look.
   * Never rejects.
   */
  refresh(): Promise<boolean>
}

export interface AuthOptions {
  token?: string | undefined
  /** Wins over `token`. */
  tokenFile?: string | undefined
  logger: Logger
}

/** Authentication by `X-Auth-Token`, from a fixed token or a file that is re-read when it changes. */
export function createAuth({ token, tokenFile, logger }: AuthOptions): Auth {
  if (tokenFile !== undefined)
    return createTokenAuth({ source: createFileToken({ path: tokenFile, logger }), logger })
  const fixed = token === undefined ? undefined : readToken(token)
  if (fixed === undefined) return { header: async () => ({}), refresh: async () => false }
  return createTokenAuth({ source: { current: async () => fixed, renew: async () => fixed }, logger })
}

export function createTokenAuth({ source, logger }: { source: TokenSource; logger: Logger }): Auth {
  let lastSent: string | undefined
  let renewing: Promise<boolean> | undefined

  const renew = async (): Promise<boolean> => {
    const refused = lastSent
    try {
      return (await source.renew()) !== refused
    } catch (error) {
      logger.warn({ reason: coerceError(error).message }, 'the CloudDC token could not be renewed')
      return false
    } finally {
      renewing = undefined
    }
  }

  return {
    header: async () => {
      lastSent = await source.current()
      return { 'X-Auth-Token': lastSent }
    },
    refresh: () => {
      renewing ??= renew()
      return renewing
    },
  }
}
