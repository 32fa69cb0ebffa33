import type { Logger } from 'pino'
import type { AuthOptions } from './auth.ts'

/** Logs where calls will go and how they are authenticated, before any is made. Never logs a secret. */
export function logTarget({
  endpoint,
  token,
  tokenFile,
  logger,
}: Pick<AuthOptions, 'token' | 'tokenFile'> & { endpoint: string; logger: Logger }): void {
  const { origin, pathname } = new URL(endpoint)
  const fixed = token === undefined ? 'none' : 'fixed token'
  logger.info(
    { endpoint: `${origin}${pathname}`, credential: tokenFile === undefined ? fixed : 'token file' },
    'calls to CloudDC go to this endpoint',
  )
}
