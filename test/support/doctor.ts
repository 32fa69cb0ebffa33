import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** `npm run doctor` with this environment and no other; what it has written, and its exit code. */
export async function runDoctor(
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...environment }
  const command = ['run', '--silent', 'doctor', '--', ...args]
  return promisify(execFile)('npm', command, { env }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  )
}
