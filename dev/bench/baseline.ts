import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Bench, World } from './world.ts'

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))

const run = promisify(execFile)

/** An earlier commit of the service, installed and ready to be measured beside this one. */
export interface Baseline {
  readonly root: URL
  /** A world whose database that commit has migrated. */
  createWorld(): Promise<World>
  remove(): Promise<void>
}

/** Checks a commit out into the run's folder and installs it there. @throws when git does not know `ref` */
export async function prepareBaseline({
  bench,
  ref,
  log,
}: {
  bench: Bench
  ref: string
  log: (line: string) => void
}): Promise<Baseline> {
  const { stdout } = await run('git', ['-C', REPOSITORY, 'rev-parse', '--verify', `${ref}^{commit}`])
  const commit = stdout.trim()
  const folder = join(bench.folder.path, 'baseline')
  const archive = join(bench.folder.path, 'baseline.tar')
  log(`installing the baseline ${commit.slice(0, 7)}`)
  mkdirSync(folder)
  await run('git', ['-C', REPOSITORY, 'archive', '--format=tar', `--output=${archive}`, commit])
  await run('tar', ['-xf', archive, '-C', folder])
  await run(process.execPath, ['dev/setup.mjs'], { cwd: folder })
  const database = await bench.servers.createDatabase({ name: `bench_baseline_${process.pid}` })
  await run(process.execPath, ['src/migrate-main.ts'], {
    cwd: folder,
    env: { PATH: process.env.PATH, DATABASE_URL: database.url },
  })
  return {
    root: pathToFileURL(`${folder}/`),
    createWorld: () => bench.createWorld({ template: database.name }),
    remove: database.drop,
  }
}
