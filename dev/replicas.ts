import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inheritedEnvironment } from './inherited-environment.ts'
import { freePort } from './servers/free-port.ts'
import type { RunFolder, ServerProcess } from './servers/run-folder.ts'
import { waitUntil } from './servers/wait-until.ts'
import { startArguments } from './start-command.ts'

/** Does nothing unless CHAOS_FAULT_PLAN is set. */
const FAULT_PRELOAD = new URL('./chaos/fault-preload.ts', import.meta.url).href

export interface ReplicasOptions {
  /** Holds their logs; its watchdog ends them when this process dies. */
  folder: RunFolder
  count: number
  /** The service's environment, complete but for HOST and PORT. Little is inherited: `inheritedEnvironment`. */
  environment: Readonly<Record<string, string>>
}

/** Processes of the service: `node src/main.ts`, each with a port and a log of its own. */
export interface Replicas {
  readonly all: readonly ReplicaProcess[]
  /** Stops all that run, gracefully, side by side. */
  stop(): Promise<void>
}

export interface ReplicaProcess {
  /** replica-1, replica-2, ... */
  readonly name: string
  /** Its HTTP API; the same after a restart. */
  readonly url: string
  /** Starts it where it does not run; `extra` is added to its environment this once. */
  start(extra?: Readonly<Record<string, string>>): void
  isRunning(): boolean
  /** Resolves once /readyz says so; rejects with the end of the log when the process ends before. */
  ready(timeoutMs: number): Promise<void>
  /** SIGKILL: it ends at whatever instruction it has reached. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  pause(): void
  resume(): void
  /** SIGTERM; false when it had to be killed after `graceMs`. */
  stop(graceMs?: number): Promise<boolean>
  /** Everything it has written so far, over all its starts. */
  log(): string
}

const GRACE_MS = 20_000

export async function createReplicas({ folder, count, environment }: ReplicasOptions): Promise<Replicas> {
  const all: ReplicaProcess[] = []
  for (let number = 1; number <= count; number += 1) {
    const port = await freePort()
    all.push(createReplicaProcess({ folder, name: `replica-${number}`, port, environment }))
  }
  return {
    all,
    stop: async () => {
      await Promise.all(all.map((replica) => replica.stop()))
    },
  }
}

function createReplicaProcess({
  folder,
  name,
  port,
  environment,
}: Omit<ReplicasOptions, 'count'> & { name: string; port: number }): ReplicaProcess {
  const url = `http://127.0.0.1:${port}`
  let child: ServerProcess | undefined
  let paused = false
  const isRunning = () => child?.isRunning() ?? false
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    if (child && isRunning()) process.kill(child.pid, name)
    paused = name === 'SIGSTOP'
  }
  return {
    name,
    url,
    isRunning,
    start: (extra = {}) => {
      if (isRunning()) return
      paused = false
      child = folder.start({
        name,
        command: process.execPath,
        args: ['--import', FAULT_PRELOAD, ...startArguments()],
        env: { ...inheritedEnvironment(), ...environment, ...extra, HOST: '127.0.0.1', PORT: String(port) },
        endSignal: 'KILL',
      })
    },
    ready: async (timeoutMs) => {
      const check = async () => {
        const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) })
        const body = await response.text()
        if (!response.ok) throw new Error(`/readyz says ${response.status}: ${body.slice(0, 500)}`)
      }
      const givenUp = () => (isRunning() ? undefined : `it ended\n${child?.logTail() ?? ''}`)
      await waitUntil(check, { what: `${name} is not ready`, timeoutMs, givenUp })
    },
    kill: async () => {
      await child?.end('SIGKILL')
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    stop: async (graceMs = GRACE_MS) => {
      if (!child || !isRunning()) return true
      if (paused) signal('SIGCONT')
      const startedAt = performance.now()
      await child.end('SIGTERM', graceMs)
      return performance.now() - startedAt < graceMs
    },
    log: () => readLog(join(folder.path, `${name}.log`)),
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not started yet.
    return ''
  }
}
