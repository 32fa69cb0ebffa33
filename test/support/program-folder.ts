import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'

/** Strict, but for exactOptionalPropertyTypes, which generated clients do not bear. */
const TSCONFIG = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'dom', 'dom.iterable'],
    module: 'nodenext',
    types: ['node'],
    noEmit: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    skipLibCheck: true,
  },
}

/** A folder for programs in TypeScript, with this project's packages; it is gone when the test ends. */
export async function createProgramFolder() {
  const path = await mkdtemp(join(tmpdir(), 'programs-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  await symlink(resolve('node_modules'), join(path, 'node_modules'))
  await writeFile(join(path, 'package.json'), '{"type":"module"}')
  await writeFile(join(path, 'tsconfig.json'), JSON.stringify(TSCONFIG))
  return {
    path,
    write: (file: string, text: string) => writeFile(join(path, file), text),
    /** Checks the types of all programs in it; throws with the compiler's words. */
    compile: async () => {
      const tsc = resolve('node_modules/.bin/tsc')
      await promisify(execFile)(tsc, ['-p', path]).catch((error: { stdout: string }) => {
        throw new Error(error.stdout)
      })
    },
  }
}
