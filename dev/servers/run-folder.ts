import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, realpathSync, statSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A server process of its own group: Ctrl-C in the terminal does not reach it. */
export interface ServerProcess {
  readonly pid: number
  isRunning(): boolean
  /** The last lines it wrote, for messages. */
  logTail(): string
  /** Sends the signal and resolves once the process has ended; SIGKILL to its group after `graceMs`. */
  end(signal: NodeJS.Signals, graceMs?: number): Promise<void>
}

export interface ServerCommand {
  /** Names the log file. */
  name: string
  command: string
  args: readonly string[]
  env?: NodeJS.ProcessEnv
  cwd?: string
  uid?: number
  gid?: number
  /** What the watchdog sends when this process has died without stopping its servers. */
  endSignal: 'QUIT' | 'KILL'
}

/** The folder of one run of private servers, with the watchdog that removes it and ends what runs in it. */
export interface RunFolder {
  readonly path: string
  start(command: ServerCommand): ServerProcess
  /** Ends whatever still runs and removes the folder. */
  remove(): Promise<void>
}

const LOG_TAIL_BYTES = 3_000

export function createRunFolder(): RunFolder {
  const path = mkdtempSync(join(folderForTemporaries(), 'clouddc-servers-'))
  // Started by root, Postgres runs as another user, who must be able to enter.
  chmodSync(path, 0o711)
  const watchdog = spawn('/bin/sh', [fileURLToPath(new URL('watchdog.sh', import.meta.url)), path], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(watchdog, 'exit')
  watchdog.stdin.on('error', () => undefined)
  watchdog.unref()
  ;(watchdog.stdin as unknown as Socket).unref()

  const start = (command: ServerCommand): ServerProcess => {
    const logFile = join(path, `${command.name}.log`)
    const log = openSync(logFile, 'a')
    const { uid, gid } = command
    const child = spawn(command.command, command.args, {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: command.cwd ?? path,
      env: command.env ?? process.env,
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    })
    closeSync(log)
    let failure = ''
    child.on('error', (error) => {
      failure = error.message
    })
    child.unref()
    const { pid } = child
    if (pid !== undefined) {
      watchdog.stdin.write(`watch ${pid} ${command.endSignal}\n`)
      child.on('exit', () => watchdog.stdin.write(`forget ${pid}\n`))
    }
    return {
      pid: pid ?? -1,
      isRunning: () => pid !== undefined && child.exitCode === null && child.signalCode === null,
      logTail: () => `${readFileSync(logFile, 'utf8').slice(-LOG_TAIL_BYTES)}${failure}`,
      end: (signal, graceMs = 10_000) => endProcess(child, signal, graceMs),
    }
  }

  return {
    path,
    start,
    remove: async () => {
      watchdog.ref()
      watchdog.stdin.end()
      await ended
    },
  }
}

async function endProcess(child: ChildProcess, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.ref()
  child.kill(signal)
  const timer = setTimeout(() => killGroup(pid), graceMs)
  await exited
  clearTimeout(timer)
  killGroup(pid)
}

/** Also reaches what the leader of the group left behind. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing of the group is left.
  }
}

/** The system's folder for temporary files; for root, one that every user may enter. */
function folderForTemporaries(): string {
  const folder = realpathSync(tmpdir())
  if (process.getuid?.() !== 0) return folder
  return [folder, '/tmp', '/var/tmp'].find(everybodyMayEnter) ?? folder
}

function everybodyMayEnter(folder: string): boolean {
  const open = (statSync(folder, { throwIfNoEntry: false })?.mode ?? 0) & 0o001
  return open !== 0 && (dirname(folder) === folder || everybodyMayEnter(dirname(folder)))
}
