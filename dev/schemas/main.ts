// `npm run schemas`: writes schemas/, from the contracts in src/. With --check it writes nothing, and fails where a
// file there is not what it would write.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderDocuments } from './documents.ts'

const folder = fileURLToPath(new URL('../../schemas', import.meta.url))

const documents = await renderDocuments()
const isStale = (path: string) => {
  const file = join(folder, path)
  return !existsSync(file) || readFileSync(file, 'utf8') !== documents.get(path)
}
const stale = [...documents.keys()].filter(isStale)
const forgotten = globSync('**/*.json', { cwd: folder }).filter((path) => !documents.has(path))

if (process.argv.includes('--check')) {
  for (const path of [...stale, ...forgotten]) console.error(`schemas/${path} is stale: npm run schemas`)
  process.exitCode = stale.length + forgotten.length > 0 ? 1 : 0
} else {
  for (const path of forgotten) rmSync(join(folder, path))
  for (const path of stale) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), documents.get(path) ?? '')
  }
}
