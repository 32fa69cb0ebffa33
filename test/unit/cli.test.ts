import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findVerb, readArguments } from '../../src/cli/arguments.ts'
import { runCli } from '../../src/cli/cli.ts'
import { curveOf } from '../../src/cli/draw-overview.ts'
import { VERBS } from '../../src/cli/verbs.ts'

/** What needs no service: it must not be asked where the command line is wrong. */
async function run(args: readonly string[], environment: Record<string, string> = {}) {
  let stdout = ''
  let stderr = ''
  const output = { write: (text: string) => (stdout += text) }
  const errors = { write: (text: string) => (stderr += text) }
  const { stdin } = process
  const settings = { PROVISIONER_URL: 'http://127.0.0.1:1', ...environment }
  const code = await runCli(VERBS, args, { environment: settings, stdin, output, errors })
  return { code, stdout, stderr }
}

test.each([
  [['staus', 'p', 'r'], 'did you mean status?'],
  [['nothing-like-it'], '--help lists all verbs'],
  [['dead-letters'], 'one of: dead-letters list, dead-letters replay'],
  [['events', 'tial'], 'did you mean events tail?'],
  [['status', 'p'], '<request> is missing'],
  [['status', 'p p', 'r'], '<project> must have'],
  [['status', 'p', 'r', 'x'], 'does not take "x"'],
  [['list', 'p', '--stat', 'failed'], 'did you mean --state?'],
  [['list', 'p', '-x'], 'there is no option -x'],
  [['list', 'p', '--limit'], '--limit needs a value'],
  [['list', 'p', '--limit', '--json'], '--limit needs a value'],
  [['list', 'p', '--limit', '0'], '--limit must be a whole number from 1 to 200'],
  [['list', 'p', '--limit', '1', '--limit', '2'], 'given twice'],
  [['list', 'p', '--created-after', 'yesterday'], 'must be a time'],
  [['list', 'p', '--json=yes'], 'takes no value'],
  [['resolve', 'p', 'r', '--void'], '--reason is missing'],
  [['resolve', 'p', 'r', '--void', '--reason', 'short'], 'must have 10 to 500 characters'],
  [['resolve', 'p', 'r', '--reason', 'long enough a reason'], 'either --adopt or --void'],
  [['pause', '--reason', 'long enough a reason'], 'either a project or --all'],
  [['pause', 'p', '--all', '--reason', 'long enough a reason'], 'either a project or --all'],
  [['limit', 'p', '--burst', '2', '--reason', 'long enough a reason'], 'belong together'],
  [['limit', 'p', '--burst', '0.5', '--per-second', '1'], '--burst must be a number from 1 on'],
  [['limit', 'p', '--burst', '2', '--per-second', '1'], '--reason is missing'],
  [['events', 'replay', '--from', '1h'], '--reason is missing'],
  [
    ['events', 'replay', '--from', '1h', '--request', 'r', '--reason', 'long enough'],
    '--request needs --project',
  ],
  [['events', 'tail', '--kinds', 'nothing'], '--kinds must be one or more of request.accepted'],
  [['dead-letters', 'list', '--code', 'x'], '--code must be one of invalid_json'],
  [['publish', '--timeout', '1h'], '--timeout needs --wait'],
  [['publish', '/nowhere/order.json'], 'cannot be read: ENOENT'],
])('%j is wrong use', async (args, says) => {
  const { code, stdout, stderr } = await run(args)
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(says) })
})

test.each([
  [{ PROVISIONER_URL: 'ftp://x' }, 'must be an address'],
  [{ PROVISIONER_URL: 'http://u:secret@x' }, 'must have no user'],
  [{ PROVISIONER_TOKEN: 'two words' }, 'must be one word'],
  [{ PROVISIONER_TOKEN_FILE: '/nowhere/key' }, 'cannot read /nowhere/key'],
])('a faulty setting is told as such, and not shown', async (environment, says) => {
  const { code, stderr } = await run(['list', 'p'], environment)
  expect([code, stderr]).toEqual([2, expect.stringContaining(says)])
  expect(stderr).not.toMatch(/secret|two words/)
})

test('without words it shows all verbs', async () => {
  expect(await run([])).toMatchObject({ code: 2, stderr: '' })
  const { code, stdout } = await run(['--help'])
  expect(code).toBe(0)
  for (const { name, says } of VERBS)
    expect(stdout).toMatch(new RegExp(`^  ${name}.* ${says.slice(0, 20)}`, 'm'))
})

/** Throws where a line of the documents is no command. */
function understand(line: string): void {
  const [words = ''] = line.split(' < ')
  const args = (words.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''))
  const { verb, rest } = findVerb(VERBS, args)
  verb.prepare(readArguments(verb, rest).given)
}

test.each(VERBS.map((verb) => [verb.name, verb] as const))(
  '%s has help, with examples',
  async (name, verb) => {
    for (const flag of ['--help', '-h']) {
      const { code, stdout, stderr } = await run([...name.split(' '), flag])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const example of verb.examples)
        expect(stdout).toContain(`npm run --silent provisioner -- ${example}`)
    }
    for (const example of verb.examples) expect(() => understand(example)).not.toThrow()
  },
)

test('the page on it shows commands that there are', () => {
  const page = readFileSync('docs/cli.md', 'utf8')
  const lines = [...page.matchAll(/^ {4}(?:.* \| )?provisioner ([^<:].*?)(?: +#.*)?$/gm)].map(
    ([, line = '']) => line,
  )
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) expect(() => understand(line), line).not.toThrow()
})

describe('the curve of counts', () => {
  test('has no more columns than there are, and is highest where most was', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 90 }),
        fc.integer({ min: 1, max: 60 }),
        (counts, columns) => {
          const curve = curveOf(counts, columns)
          expect(curve.length).toBeLessThanOrEqual(columns)
          expect(curve.includes('█')).toBe(counts.some((count) => count > 0))
        },
      ),
    )
  })
})
