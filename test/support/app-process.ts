import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'vitest'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'
import { freePort } from '../../dev/servers/free-port.ts'
import { startArguments } from '../../dev/start-command.ts'
import { eventually } from './eventually.ts'

/** A bound on hangs, also where a machine has far more to do than to start it. */
const START_TIMEOUT_MS = 180_000

export interface AppProcess {
  readonly url: string
  /** Everything it has written so far. */
  log(): string
  /** Resolves once /readyz says so; rejects when it has ended before. */
  ready(): Promise<void>
  send(signal: NodeJS.Signals): void
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** SIGKILL, where it still runs. */
  kill(): Promise<void>
}

/** The service as `npm start` runs it, in a process of its own with this environment and no other. */
export async function startAppProcess(environment: Readonly<Record<string, string>>): Promise<AppProcess> {
  const port = await freePort()
  const child = spawn(process.execPath, startArguments(), {
    env: { ...inheritedEnvironment(), ...environment, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const log = () => Buffer.concat(chunks).toString()
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = once(child, 'close').then(([code, signal]) => {
    process.off('exit', kill)
    return (code ?? signal) as number | NodeJS.Signals
  })
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    log,
    ready: () =>
      eventually(
        async () => {
          expect(child.exitCode, log()).toBeNull()
          expect((await fetch(`${url}/readyz`)).status).toBe(200)
        },
        { timeoutMs: START_TIMEOUT_MS },
      ),
    send: (signal) => child.kill(signal),
    ended,
    kill: async () => {
      kill()
      await ended
    },
  }
}
