// Generates the Prisma client, and knows whether the one on disk still fits. Prisma's CLI downloads its schema
// engine unless PRISMA_SCHEMA_ENGINE_BINARY names an executable; `generate` never runs it, so any will do.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const generated = `${root}src/database/generated`
const stampFile = `${generated}/.stamp`
const cli = `${root}node_modules/prisma/build/index.js`

/** What the client is made from: the schema and Prisma's version. */
function stamp() {
  return createHash('sha256')
    .update(readFileSync(`${root}prisma/schema.prisma`))
    .update(readFileSync(`${root}node_modules/prisma/package.json`))
    .digest('hex')
}

/** @returns {boolean} whether the client on disk was generated from today's schema by today's Prisma */
export function clientIsCurrent() {
  if (!existsSync(cli)) return existsSync(`${generated}/client.ts`)
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp()
}

/** Generates the client with the Node that the project brings along. Throws when Prisma refuses the schema. */
export function generateClient() {
  if (!existsSync(cli)) {
    console.log('Prisma CLI is not installed (production install): the client is not generated.')
    return
  }
  const node24 = `${root}node_modules/.bin/node`
  const result = spawnSync(existsSync(node24) ? node24 : process.execPath, [cli, 'generate', '--no-hints'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' },
  })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`prisma generate failed:\n${result.stdout}${result.stderr}`)
  writeFileSync(stampFile, stamp())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    generateClient()
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}
