import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { CredentialBook } from './credential-book.ts'
import type { Credential, Secret } from './credentials.ts'
import { createFileToken } from './file-token.ts'
import type { Source } from './source.ts'

/**
 * Tells which credentials show something else than when it was asked last: another secret, another user, another agency.
 * What is kept in files of its own is looked at as well, once a second at most. Never rejects.
 */
export function createSecretWatch({
  book,
  logger,
  now = () => performance.now(),
}: {
  book: CredentialBook
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}): () => Promise<string[]> {
  // Whoever makes calls with what a file holds tells of its faults.
  const silent = logger.child({}, { level: 'silent' })
  const files = new Map<string, Source<string>>()
  let seen = new Map<string, readonly unknown[]>()

  const contentOf = async (secret: Secret): Promise<string | null> => {
    if ('value' in secret) return null
    const file = files.get(secret.file) ?? createFileToken({ path: secret.file, logger: silent, now })
    files.set(secret.file, file)
    return file.current().catch(() => null)
  }
  const shownBy = async (credential: Credential) => [
    credential,
    await Promise.all(secretsOf(credential).map(contentOf)),
  ]

  return async () => {
    const { byId } = await book.current()
    const found = new Map<string, readonly unknown[]>()
    for (const [id, credential] of byId) {
      const base = credential.kind === 'agency' ? byId.get(credential.of) : undefined
      found.set(id, [await shownBy(credential), base && (await shownBy(base))])
    }
    const changed = [...found.keys()].filter((id) => {
      const before = seen.get(id)
      return before !== undefined && !isDeepStrictEqual(before, found.get(id))
    })
    seen = found
    return changed
  }
}

function secretsOf(credential: Credential): Secret[] {
  if (credential.kind === 'token') return [credential.token]
  if (credential.kind !== 'aksk') return []
  const { accessKey, secretKey, securityToken } = credential
  return securityToken === null ? [accessKey, secretKey] : [accessKey, secretKey, securityToken]
}
