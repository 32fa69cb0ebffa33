// Generates the Prisma client. Prisma's CLI downloads its schema engine unless this variable names an
// executable; `generate` never runs it (see docs/decisions), so any executable will do.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const cli = `${root}node_modules/prisma/build/index.js`
if (!existsSync(cli)) {
  console.log('Prisma CLI is not installed (production install): the client is not generated.')
  process.exit(0)
}
const node24 = `${root}node_modules/.bin/node`
const result = spawnSync(existsSync(node24) ? node24 : process.execPath, [cli, 'generate', '--no-hints'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' },
})
process.exit(result.status ?? 1)
