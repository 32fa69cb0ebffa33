import type { Logger } from 'pino'
import type { Credential } from './auth/create-auth.ts'

/** Logs where calls will go and how they are authenticated, before any is made. Never logs a secret. */
export function logTarget({
  endpoint,
  credential,
  logger,
}: {
  endpoint: string
  credential: Credential | null
  logger: Logger
}): void {
  const { origin, pathname } = new URL(endpoint)
  logger.info(
    { endpoint: `${origin}${pathname}`, credential: kindOf(credential) },
    'calls to CloudDC go to this endpoint',
  )
}

function kindOf(credential: Credential | null): string {
  if (credential === null) return 'none'
  if (credential.kind === 'keys') return credential.securityToken === null ? 'keys' : 'temporary keys'
  return 'file' in credential.token ? 'token file' : 'fixed token'
}
