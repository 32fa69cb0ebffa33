import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = new URL('../', import.meta.url)

/**
 * The arguments that `npm start`, or `npm run` with another script of this form, gives to `node`: its options, and the
 * entry point as an absolute path. `root` is the checkout's folder, with a slash at its end.
 */
export function startArguments(root: URL = ROOT, script: 'start' | 'doctor' = 'start'): string[] {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    scripts: Record<'start' | 'doctor', string>
  }
  const [exec, node, ...rest] = scripts[script].split(' ')
  const entry = rest.pop()
  if (exec !== 'exec' || node !== 'node' || entry === undefined) {
    throw new Error(`npm run ${script} is not as expected: ${scripts[script]}`)
  }
  return [...rest, fileURLToPath(new URL(entry, root))]
}
