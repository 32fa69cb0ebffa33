import { readdirSync, readFileSync } from 'node:fs'
import type pg from 'pg'
import { TICKS_PER_SECOND } from './measured-process.ts'

/** Processor seconds so far of the servers on this machine, by the names of their processes; NaN elsewhere. */
export interface ServerUsage {
  postgres: number
  rabbitmq: number
}

const SERVERS = { postgres: 'postgres', 'beam.smp': 'rabbitmq' } as const

export function serverUsage(): ServerUsage {
  const ticks = { postgres: 0, rabbitmq: 0 }
  for (const stat of processIds().map(statOf)) {
    const server = SERVERS[stat.name as keyof typeof SERVERS]
    if (server !== undefined) ticks[server] += stat.ticks
  }
  return { postgres: seconds(ticks.postgres), rabbitmq: seconds(ticks.rabbitmq) }
}

/** What the server of a pool spends during `work`, with all its processes, in percent of one core; NaN elsewhere. */
export async function percentOfCore(pool: pg.Pool, work: () => Promise<unknown>): Promise<number> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const server = statOf(String(rows[0]?.pid ?? '')).parent
  const spent = () => {
    const own = processIds()
      .map(statOf)
      .filter(({ pid, parent }) => pid === server || parent === server)
    return seconds(own.reduce((sum, { ticks }) => sum + ticks, 0))
  }
  const [before, begunAt] = [spent(), performance.now()]
  await work()
  return ((spent() - before) / ((performance.now() - begunAt) / 1000)) * 100
}

const seconds = (ticks: number) => (ticks === 0 ? Number.NaN : ticks / TICKS_PER_SECOND)

function processIds(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

interface ProcessStat {
  pid: string
  name: string
  parent: string
  ticks: number
}

/** Of a process, its processor time with that of its children that have ended. */
function statOf(pid: string): ProcessStat {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const nameEnd = stat.lastIndexOf(')')
    const fields = stat.slice(nameEnd + 2).split(' ')
    return {
      pid,
      name: stat.slice(stat.indexOf('(') + 1, nameEnd),
      parent: fields[1] ?? '',
      // utime, stime, and the same of children that have ended: fields 14 to 17.
      ticks: fields.slice(11, 15).reduce((sum, own) => sum + Number(own), 0),
    }
  } catch {
    // It has ended since it was listed.
    return { pid, name: '', parent: '', ticks: 0 }
  }
}
