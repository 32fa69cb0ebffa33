import { hash, timingSafeEqual } from 'node:crypto'
import type { AccessKey } from './access-file.ts'

/**
 * The key that a credential is, unless it has expired at `now` (milliseconds since 1970). Takes the same time whichever
 * key it is, and however much of a digest it shares.
 */
export function findKey(keys: readonly AccessKey[], credential: string, now: number): AccessKey | undefined {
  const digest = hash('sha256', credential, 'buffer')
  let found: AccessKey | undefined
  for (const key of keys) if (timingSafeEqual(key.sha256, digest)) found = key
  return found && isInForce(found, now) ? found : undefined
}

export function isInForce({ expiresAt }: AccessKey, now: number): boolean {
  return expiresAt === null || now < expiresAt
}
