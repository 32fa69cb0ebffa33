import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'
import { startArguments } from '../../dev/start-command.ts'

/** What `npm run doctor` runs, with this environment and no other; what it has written, and its exit code. */
export async function runDoctor(
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...inheritedEnvironment(), HOME: process.env.HOME, ...environment }
  const command = [...startArguments(undefined, 'doctor'), ...args]
  return promisify(execFile)(process.execPath, command, { env }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  )
}
