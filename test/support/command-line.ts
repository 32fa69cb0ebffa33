import { spawn } from 'node:child_process'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** The command line `provisioner` with this environment and no other, and what is on its standard input. */
export function startCommandLine(
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
  { input = '' }: { input?: string } = {},
) {
  const child = spawn(process.execPath, ['src/cli-main.ts', ...args], {
    env: { ...inheritedEnvironment(), ...environment },
  })
  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => {
      written[name] += chunk.toString()
    })
  // It may end without having read all.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...written }))
  })
  return { ended, written: () => written }
}

export const runCommandLine = (...args: Parameters<typeof startCommandLine>): Promise<Ended> =>
  startCommandLine(...args).ended
