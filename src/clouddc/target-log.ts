import type { Logger } from 'pino'
import { type Credentials, kindOf } from './auth/credentials.ts'
import { isLoopback, isReadable } from './regions.ts'

/** Logs where calls will go and how they are authenticated, before any is made. Never logs a secret. */
export function logTarget({
  endpoint,
  credentials: { byId, defaultId, projects },
  logger,
}: {
  endpoint: string
  credentials: Credentials
  logger: Logger
}): void {
  const { origin, pathname } = new URL(endpoint)
  const credentials = Object.fromEntries([...byId].map(([id, credential]) => [id, kindOf(credential)]))
  logger.info(
    { endpoint: `${origin}${pathname}`, credentials, default: defaultId, projects: projects.size },
    'calls to CloudDC go to this endpoint',
  )
  if (isReadable(endpoint) || (byId.size === 0 && !isLoopback(endpoint)))
    logger.warn('CLOUDDC_INSECURE: calls to CloudDC are unencrypted or without a credential')
}
