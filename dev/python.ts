import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Packages of Python that programs in docs/ need; Debian's are called `python3-<name>`. */
export type PythonModule = 'pika' | 'jwcrypto'

/** A Python that has the package: Debian's, where the package goes, or the first on the path. Undefined without either. */
export async function findPythonWith(module: PythonModule): Promise<string | undefined> {
  for (const program of ['/usr/bin/python3', 'python3']) {
    try {
      await promisify(execFile)(program, ['-c', `import ${module}`])
      return program
    } catch {
      // Not there, or without it.
    }
  }
  return undefined
}
