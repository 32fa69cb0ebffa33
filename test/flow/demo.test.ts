import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'

const MAIN = fileURLToPath(new URL('../../dev/demo/main.ts', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clouddc-demo-test-'))
  // A private Postgres runs as another user, who must be able to enter.
  chmodSync(folder, 0o711)
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** The demo in a process of its own that keeps everything temporary in `folder`. */
function startDemo(...args: string[]) {
  const environment = { ...process.env, TMPDIR: folder }
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return { child, output: () => output, ended: once(child, 'close') }
}

/** Processes whose command line or environment names the folder: everything that the demo started. */
function processesOf(path: string, { but }: { but: ChildProcess }): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === but.pid || Number(pid) === process.pid) return false
    try {
      return ['cmdline', 'environ'].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(path),
      )
    } catch {
      // Ended meanwhile.
      return false
    }
  })
}

const expectNothingLeft = (child: ChildProcess) =>
  eventually(() => {
    expect(readdirSync(folder)).toEqual([])
    expect(processesOf(folder, { but: child })).toEqual([])
  })

describe('npm run demo', () => {
  it('ends with every request as it should be, says so as JSON, and leaves nothing behind', async () => {
    const demo = startDemo('--requests', '40', '--projects', '2', '--rate', '20', '--replicas', '2', '--json')
    await demo.ended
    const last = demo.output().trimEnd().split('\n').at(-1) ?? ''
    expect(JSON.parse(last)).toMatchObject({
      ok: true,
      requests: 40,
      dead_letters: 4,
      invariants: {
        lost: 0,
        duplicates: 0,
        unfinished: 0,
        missing_events: 0,
        budget_violations: 0,
        secret_leaks: 0,
      },
    })
    expect(demo.child.exitCode).toBe(0)
    await expectNothingLeft(demo.child)
  })

  it('cleans up when it is interrupted', async () => {
    const demo = startDemo('--requests', '500', '--rate', '1')
    await eventually(() => expect(demo.output()).toContain('ended |'), { timeoutMs: 200_000 })
    demo.child.kill('SIGINT')
    await demo.ended
    expect(demo.child.exitCode).toBe(130)
    await expectNothingLeft(demo.child)
  })

  it('refuses an option that it does not know', async () => {
    const demo = startDemo('--replcas', '3')
    await demo.ended
    expect(demo.child.exitCode).toBe(2)
    expect(demo.output()).toContain('--replcas')
    expect(demo.output()).toContain('--replicas K')
  })
})
