import { readFileSync } from 'node:fs'
import type { RunFolder, ServerProcess } from '../servers/run-folder.ts'

/** Ticks per second of the times in /proc: USER_HZ, 100 on every Linux that runs Node. */
export const TICKS_PER_SECOND = 100

export interface Usage {
  /** Processor time so far, of all threads, user and system; NaN where the system does not tell. */
  cpuSeconds: number
  /** The most memory it ever had in RAM; NaN where the system does not tell. */
  peakRssMb: number
  /** The memory it has in RAM now; NaN where the system does not tell. */
  rssMb: number
}

/** A process under measurement. */
export interface MeasuredProcess {
  readonly pid: number
  usage(): Usage
  /** Throws with the end of its log when it has ended. */
  checkAlive(): void
  /** The last lines it has written. */
  log(): string
  /** SIGTERM, and SIGKILL after 20 s. */
  stop(): Promise<void>
}

let started = 0

/** Starts `node` with `args`; nothing of this process's environment is inherited but PATH. */
export function startMeasured({
  folder,
  name,
  args,
  environment,
}: {
  folder: RunFolder
  name: string
  args: readonly string[]
  environment: Readonly<Record<string, string>>
}): MeasuredProcess {
  started += 1
  const child: ServerProcess = folder.start({
    name: `${name}-${started}`,
    command: process.execPath,
    args,
    env: { PATH: process.env.PATH, ...environment },
    endSignal: 'KILL',
  })
  return {
    pid: child.pid,
    usage: () => usageOf(child.pid),
    checkAlive: () => {
      if (!child.isRunning()) throw new Error(`${name} has ended\n${child.logTail()}`)
    },
    log: () => child.logTail(),
    stop: () => child.end('SIGTERM', 20_000),
  }
}

function usageOf(pid: number): Usage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold blanks; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      peakRssMb: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024,
      rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    }
  } catch {
    return { cpuSeconds: Number.NaN, peakRssMb: Number.NaN, rssMb: Number.NaN }
  }
}
