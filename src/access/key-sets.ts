import { readFileSync } from 'node:fs'
import { createLocalJWKSet, createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import type { Logger } from 'pino'
import { coerceError } from '../runtime/errors.ts'
import { createWatchedFile } from '../runtime/watched-file.ts'
import type { Issuer } from './access-file.ts'

/** How old the keys of a URL may grow while tokens are judged by them, in milliseconds. */
const RENEW_MS = 60_000
/** A token that names an unknown key has the keys fetched again, at most so often, in milliseconds. */
const COOLDOWN_MS = 1000
const FETCH_MS = 5000

/** The public keys of issuers, by file or URL; each is read once, however often it is asked for. */
export interface KeySets {
  of(keys: Issuer['keys']): JWTVerifyGetKey
}

export function createKeySets({ logger }: { logger: Logger }): KeySets {
  const known = new Map<string, JWTVerifyGetKey>()
  const open = (keys: Issuer['keys']) =>
    'file' in keys ? keysOfFile(keys.file, logger) : keysOfUrl(keys.url, logger)
  return {
    of: (keys) => {
      const name = JSON.stringify(keys)
      const found = known.get(name) ?? open(keys)
      known.set(name, found)
      return found
    },
  }
}

/** Why the keys of a file cannot be used; null when they can. */
export function keyFileFault(path: string): string | null {
  try {
    readKeySet(readFileSync(path, 'utf8'))
    return null
  } catch (error) {
    return coerceError(error).message
  }
}

function readKeySet(text: string): JWTVerifyGetKey {
  return createLocalJWKSet(JSON.parse(text))
}

/** Followed when the file changes. */
function keysOfFile(path: string, logger: Logger): JWTVerifyGetKey {
  const file = createWatchedFile({
    path,
    what: 'the keys of an issuer',
    read: readKeySet,
    level: 'error',
    logger,
  })
  return async (header, token) => (await file.current())(header, token)
}

/** Those fetched last stay in use while the issuer does not answer. */
function keysOfUrl(url: string, logger: Logger): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: FETCH_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
  })
  let renewAt = performance.now() + RENEW_MS
  const renew = () => {
    renewAt = performance.now() + RENEW_MS
    keys.reload().catch((error: unknown) => {
      logger.warn({ url, reason: coerceError(error).message }, 'the keys of an issuer cannot be fetched')
    })
  }
  return (header, token) => {
    if (performance.now() >= renewAt) renew()
    return keys(header, token)
  }
}
