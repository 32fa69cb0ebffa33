import { hash } from 'node:crypto'
import { pino } from 'pino'
import { type Access, createAccess } from '../../src/access/access.ts'
import { parseAccessFile } from '../../src/access/access-file.ts'
import type { AccessRole } from '../../src/access/who-may.ts'
import { createSealer } from '../../src/secrets/seal.ts'

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

export const TEST_SEALER = createSealer([{ id: 'test', key: Buffer.alloc(32, 5) }])

/** Access by keys and issuers that stay as they are. */
export function accessBy(content: Parameters<typeof accessFile>[0], now?: () => number): Access {
  const rules = parseAccessFile(accessFile(content))
  return createAccess({
    rules: async () => rules,
    sealer: TEST_SEALER,
    logger: pino({ level: 'silent' }),
    ...(now ? { now } : {}),
  })
}

export const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` })
