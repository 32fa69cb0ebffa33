import { hash } from 'node:crypto'
import { pino } from 'pino'
import type { Access } from '../../src/access/access.ts'
import { parseAccessFile } from '../../src/access/access-file.ts'
import { createAuthenticator } from '../../src/access/authenticator.ts'
import { createKeySets } from '../../src/access/key-sets.ts'
import type { AccessRole } from '../../src/access/who-may.ts'

export interface TestKey {
  id?: string
  key: string
  roles?: readonly AccessRole[]
  projects?: readonly string[] | '*'
  expires_at?: string | null
}

/** The text of an access file; members that a test does not care about are filled in. */
export function accessFile({
  keys = [],
  issuers = [],
}: {
  keys?: readonly TestKey[]
  issuers?: readonly object[]
}): string {
  const shown = keys.map(({ key, ...rest }, index) => ({
    id: `key-${index + 1}`,
    sha256: hash('sha256', key, 'hex'),
    roles: ['read'],
    projects: '*',
    ...rest,
  }))
  return JSON.stringify({ keys: shown, issuers })
}

/** Access by keys that stay as they are. */
export function accessByKeys(keys: readonly TestKey[], now?: () => number): Access {
  const keySets = createKeySets({ logger: pino({ level: 'silent' }) })
  const rules = parseAccessFile(accessFile({ keys }))
  return createAuthenticator({ rules, keySets, ...(now ? { now } : {}) })
}

export const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` })
