import type { Logger } from 'pino'
import type { Method } from './auth.ts'
import type { Credential, Secret } from './credentials.ts'
import { createFileToken } from './file-token.ts'
import { composeKeys, createKeyAuth } from './key-auth.ts'
import { readToken, type Source } from './source.ts'
import { createTokenAuth } from './token-auth.ts'
import type { UpstreamClock } from './upstream-clock.ts'

export interface MethodDependencies {
  clock: UpstreamClock
  logger: Logger
}

/** Authentication by one credential. */
export function createMethod(credential: Credential, { clock, logger }: MethodDependencies): Method {
  switch (credential.kind) {
    case 'token': {
      const source = sourceOf(credential.token, 'the CloudDC token', logger)
      return createTokenAuth({ sourceOf: () => source, logger })
    }
    case 'aksk': {
      const { accessKey, secretKey, securityToken } = credential
      const keys = composeKeys({
        accessKey: sourceOf(accessKey, 'the access key', logger),
        secretKey: sourceOf(secretKey, 'the secret key', logger),
        securityToken: securityToken && sourceOf(securityToken, 'the security token', logger),
      })
      return createKeyAuth({ keys, clock, logger })
    }
  }
}

function sourceOf(secret: Secret, what: string, logger: Logger): Source<string> {
  if ('file' in secret) return createFileToken({ path: secret.file, what, logger })
  const value = readToken(secret.value)
  return { current: async () => value, renew: async () => value }
}
