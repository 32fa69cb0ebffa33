import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** A Python that has pika: Debian's, where the package goes, or the first on the path. Undefined without either. */
export async function findPythonWithPika(): Promise<string | undefined> {
  for (const program of ['/usr/bin/python3', 'python3']) {
    try {
      await promisify(execFile)(program, ['-c', 'import pika'])
      return program
    } catch {
      // Not there, or without pika.
    }
  }
  return undefined
}
