import { hash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A key of the service's HTTP API that may do everything. */
export interface ApiKey {
  key: string
  /** The service's settings that know it by its digest; the access file is put into `folder`. */
  settings(folder: string): Readonly<Record<string, string>>
}

export function drawApiKey(): ApiKey {
  const key = randomBytes(32).toString('base64url')
  const roles = ['read', 'cancel', 'operate', 'metrics']
  const known = { id: 'demo', sha256: hash('sha256', key, 'hex'), roles, projects: '*' }
  return {
    key,
    settings: (folder) => {
      const path = join(folder, 'api-access.json')
      writeFileSync(path, JSON.stringify({ keys: [known] }), { mode: 0o600 })
      // Whoever judges a run asks for all of it at once.
      return { API_ACCESS_FILE: path, API_RATE_LIMIT_PER_SECOND: '1000' }
    },
  }
}
