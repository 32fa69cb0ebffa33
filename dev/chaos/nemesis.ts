import pg from 'pg'
import type { Servers } from '../servers.ts'
import type { SimulatorProcess } from '../simulator-process.ts'
import { type CredentialSubject, createCredentialNemesis } from './credential-nemesis.ts'
import type { ChaosAccess } from './credentials.ts'
import type { Crew } from './crew.ts'
import { type CloudTrouble, type Fault, LINKS, type Link, type PlannedFault } from './plan.ts'
import type { Proxies } from './proxies.ts'

export interface NemesisOptions {
  crew: Crew
  servers: Servers
  databaseUrl: string
  proxies: Proxies
  simulator: SimulatorProcess
  access: ChaosAccess
  projectIds: readonly string[]
  /** Told each fault as it is done. */
  onFault: (name: string) => void
}

/** Carries out a plan of faults, and ends them all. */
export interface Nemesis {
  /** Resolves when the last planned fault is done and undone. */
  carryOut(plan: readonly PlannedFault[], signal: AbortSignal): Promise<void>
  /** Everything is up, reachable and well again. */
  calm(): Promise<void>
}

/** Faults of one of these exclude each other: the later one is left out. */
type Subject = Link | 'postgres server' | 'rabbitmq server' | 'alarm' | 'cloud behaviour' | CredentialSubject

/** How CloudDC behaves for a while; the knobs of the simulator. */
const TROUBLES: Record<Exclude<CloudTrouble, 'throttle'>, Record<string, unknown>> = {
  errors: { faultErrorBefore: 0.15, faultErrorAfter: 0.15, faultStatuses: [500, 502, 503, 504] },
  cuts: { faultCutBefore: 0.1, faultCutAfter: 0.15, faultCutHalf: 0.1 },
  lists: {
    faultTruncate: 0.4,
    visibleLateProbability: 0.5,
    visibleLateMinMs: 100,
    visibleLateMaxMs: 1500,
    faultCutAfter: 0.1,
  },
  slow: { latencyMinMs: 200, latencyMaxMs: 3500 },
  mixed: {
    faultScope: 'all',
    faultErrorBefore: 0.05,
    faultErrorAfter: 0.05,
    faultCutBefore: 0.05,
    faultCutAfter: 0.05,
    faultCutHalf: 0.05,
    latencyMinMs: 0,
    latencyMaxMs: 800,
  },
}

const HEALTH: Record<string, unknown> = {
  faultScope: 'create',
  faultErrorBefore: 0,
  faultErrorAfter: 0,
  faultCutBefore: 0,
  faultCutAfter: 0,
  faultCutHalf: 0,
  faultTruncate: 0,
  faultStatuses: [500],
  visibleLateProbability: 0,
  latencyMinMs: 10,
  latencyMaxMs: 60,
}

export function createNemesis(options: NemesisOptions): Nemesis {
  const { crew, servers, databaseUrl, proxies, simulator, onFault } = options
  const busy = new Set<Subject>()
  const running = new Set<Promise<void>>()
  let calmed = new AbortController()

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      const wake = () => {
        clearTimeout(timer)
        resolve()
      }
      calmed.signal.addEventListener('abort', wake, { once: true })
    })
  const alone = async (subject: Subject, name: string, action: () => Promise<unknown>) => {
    if (busy.has(subject)) return
    busy.add(subject)
    onFault(name)
    await action().finally(() => busy.delete(subject))
  }
  const credential = createCredentialNemesis({
    ...options,
    alone: (subject, name, action) => alone(subject, `credential ${name}`, action),
    sleep,
  })

  const network = (fault: Extract<Fault, { kind: 'network' }>) =>
    alone(fault.link, `network ${fault.how}`, async () => {
      const tell = (action: Parameters<Proxies['tell']>[1]) => proxies.tell(fault.link, action)
      switch (fault.how) {
        case 'cut':
          return tell({ action: 'cut', how: 'reset' })
        case 'fin':
          return tell({ action: 'cut', how: 'fin' })
        case 'cut_within':
          return tell({
            action: 'dropAfter',
            bytes: fault.bytes,
            direction: fault.direction,
            afterwards: 'cut',
          })
        case 'delay': {
          // Towards CloudDC only the answers: held back calls would arrive in a bunch that nobody sent.
          const direction = fault.link === 'cloud' ? { direction: 'down' as const } : {}
          await tell({ action: 'delay', ms: fault.delayMs, ...direction })
          break
        }
        case 'swallow':
          await tell({ action: 'dropAfter', bytes: 0, direction: 'up', afterwards: 'swallow' })
          break
        default:
          await tell({ action: fault.how })
      }
      await sleep(fault.forMs)
      // What was swallowed is gone: a connection must not go on without it.
      if (fault.how === 'swallow') await tell({ action: 'cut', how: 'reset' })
      await tell({ action: 'pass' })
    })

  const cloud = ({ how, forMs }: Extract<Fault, { kind: 'cloud' }>) =>
    alone('cloud behaviour', `cloud ${how}`, async () => {
      if (how === 'throttle') {
        await simulator.admin('POST', 'faults', [
          { kind: 'throttle', count: 8, retry_after: 1 },
          { kind: 'throttle', count: 4, form: 'string' },
        ])
        return
      }
      await simulator.admin('PATCH', 'settings', { ...HEALTH, ...TROUBLES[how] })
      await sleep(forMs)
      await simulator.admin('PATCH', 'settings', HEALTH)
    })

  const carryOutOne = async (fault: Fault): Promise<void> => {
    switch (fault.kind) {
      case 'kill':
        onFault('kill')
        return crew.kill(fault.replica, fault.downMs)
      case 'pause':
        onFault('pause')
        return crew.pause(fault.replica, fault.forMs)
      case 'network':
        return network(fault)
      case 'cloud':
        return cloud(fault)
      case 'credential':
        return credential(fault)
      case 'postgres':
        return alone('postgres server', `postgres ${fault.how}`, async () => {
          if (fault.how === 'end_connections') return endConnections(databaseUrl)
          await servers.killPostgres()
          await servers.restartPostgres()
        })
      case 'rabbitmq':
        if (fault.how === 'alarm') {
          return alone('alarm', 'rabbitmq alarm', async () => {
            await servers.setMemoryAlarm(true)
            await sleep(fault.forMs)
            await servers.setMemoryAlarm(false)
          })
        }
        return alone('rabbitmq server', `rabbitmq ${fault.how}`, async () => {
          if (fault.how === 'kill') await servers.killRabbitmq()
          await servers.restartRabbitmq()
        })
    }
  }

  return {
    carryOut: async (plan, signal) => {
      const startedAt = performance.now()
      for (const { atMs, fault } of plan) {
        await sleep(Math.max(0, startedAt + atMs - performance.now()))
        if (signal.aborted) break
        const done = carryOutOne(fault)
          // A server that is down cannot be harmed: a fault that fails is no finding.
          .catch(() => onFault(`${fault.kind} failed`))
          .finally(() => running.delete(done))
        running.add(done)
      }
      await Promise.all(running)
    },
    calm: async () => {
      calmed.abort()
      await Promise.all(running)
      calmed = new AbortController()
      for (const link of LINKS) await proxies.tell(link, { action: 'pass' })
      await simulator.admin('DELETE', 'faults')
      await simulator.admin('PATCH', 'settings', HEALTH)
      if (servers.kind.rabbitmq !== 'given') await servers.setMemoryAlarm(false).catch(() => undefined)
      await crew.calm()
    },
  }
}

/** Ends every connection to the database but this one, in whatever transaction it is. */
async function endConnections(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
  } finally {
    await client.end()
  }
}
