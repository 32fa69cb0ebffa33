import { readdirSync, readFileSync } from 'node:fs'
import { TICKS_PER_SECOND } from './measured-process.ts'

/** Processor seconds so far of the servers on this machine, by the names of their processes; NaN elsewhere. */
export interface ServerUsage {
  postgres: number
  rabbitmq: number
}

const SERVERS = { postgres: 'postgres', 'beam.smp': 'rabbitmq' } as const

export function serverUsage(): ServerUsage {
  const ticks = { postgres: 0, rabbitmq: 0 }
  for (const pid of processIds()) {
    const stat = statOf(pid)
    const server = SERVERS[stat.name as keyof typeof SERVERS]
    if (server !== undefined) ticks[server] += stat.ticks
  }
  const seconds = (own: number) => (own === 0 ? Number.NaN : own / TICKS_PER_SECOND)
  return { postgres: seconds(ticks.postgres), rabbitmq: seconds(ticks.rabbitmq) }
}

function processIds(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

function statOf(pid: string): { name: string; ticks: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const nameEnd = stat.lastIndexOf(')')
    // utime, stime, and the same of children that have ended: fields 14 to 17.
    const times = stat
      .slice(nameEnd + 2)
      .split(' ')
      .slice(11, 15)
    return {
      name: stat.slice(stat.indexOf('(') + 1, nameEnd),
      ticks: times.reduce((sum, own) => sum + Number(own), 0),
    }
  } catch {
    // It has ended since its name was read.
    return { name: '', ticks: 0 }
  }
}
