import type { Logger } from 'pino'
import type { Auth } from './auth.ts'
import { createFileToken } from './file-token.ts'
import { createKeyAuth } from './key-auth.ts'
import { createTokenAuth } from './token-auth.ts'
import { readToken, type TokenSource } from './token-source.ts'

/** A secret as it is, or the path of a file that is read again when it changes. */
export type Secret = { value: string } | { file: string }

export type Credential =
  | { kind: 'token'; token: Secret }
  /** `securityToken` is that of temporary keys. */
  | { kind: 'keys'; accessKey: Secret; secretKey: Secret; securityToken: Secret | null }

const NONE: Auth = {
  headersFor: async () => ({}),
  refused: async () => false,
  answered: () => undefined,
}

/** Authentication by one credential; null sends calls without any. */
export function createAuth({ credential, logger }: { credential: Credential | null; logger: Logger }): Auth {
  if (credential === null) return NONE
  if (credential.kind === 'token')
    return createTokenAuth({ source: sourceOf(credential.token, 'the CloudDC token', logger), logger })
  const { accessKey, secretKey, securityToken } = credential
  return createKeyAuth({
    accessKey: sourceOf(accessKey, 'the access key', logger),
    secretKey: sourceOf(secretKey, 'the secret key', logger),
    securityToken: securityToken && sourceOf(securityToken, 'the security token', logger),
    logger,
  })
}

function sourceOf(secret: Secret, what: string, logger: Logger): TokenSource {
  if ('file' in secret) return createFileToken({ path: secret.file, what, logger })
  const value = readToken(secret.value)
  return { current: async () => value, renew: async () => value }
}
