import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'

/** The programs in a page: blocks of code whose first line says what file they are, as in "```ts publish.ts". */
export function programsIn(page: string): Map<string, string> {
  const blocks = readFileSync(page, 'utf8').matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)
  return new Map([...blocks].map(([, file = '', text = '']) => [file, text]))
}

export interface RunningProgram {
  /** The lines it has printed so far. */
  lines(): string[]
  /** Its lines once it has ended; throws where it has failed. */
  ended: Promise<string[]>
}

/** Runs a program in a folder; it is killed when the test ends, if not over before. */
export function runProgram(
  command: string,
  args: readonly string[],
  { folder, env }: { folder: string; env: Readonly<Record<string, string>> },
): RunningProgram {
  const { HOME } = process.env
  const child = spawn(command, args, { cwd: folder, env: { ...inheritedEnvironment(), HOME, ...env } })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const lines = () => output.split('\n').filter(Boolean)
  const closed = Promise.withResolvers<number | null>()
  child.on('error', closed.reject)
  child.on('close', closed.resolve)
  onTestFinished(async () => {
    child.kill()
    await closed.promise
  })
  const ended = closed.promise.then((code) => {
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${output}${errors}`)
    return lines()
  })
  // Whoever does not wait for its end learns of a failure by what it does not print.
  ended.catch(() => undefined)
  return { lines, ended }
}
