import { createSeededRandom, type SeededRandom } from '../seeded-random.ts'
import { type CredentialFault, credentialFault } from './credential-plan.ts'

/**
 * - `kill`: SIGKILL of a replica, which comes back a moment later
 * - `pause`: SIGSTOP of a replica for less or more than its lease, then SIGCONT
 * - `points`: replicas that come back may carry a fault plan, by which they kill or stop themselves
 * - `postgres`: killed and restarted; all its connections ended
 * - `rabbitmq`: killed or stopped and restarted; its memory alarm
 * - `network`: cuts, refusals, silence and delay between the service and each of its servers
 * - `cloud`: CloudDC fails before or after its work, cuts answers, lists late and in part, throttles, is slow
 * - `credential`: tokens end early, IAM is down or slow, keys are withdrawn, locked and replaced, every call is refused,
 *   the gateway's clock steps, permissions are withdrawn; all given back
 */
export const FAULT_KINDS = [
  'kill',
  'pause',
  'points',
  'postgres',
  'rabbitmq',
  'network',
  'cloud',
  'credential',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export const LINKS = ['postgres', 'rabbitmq', 'cloud'] as const
/** The way from the service to one of its servers. */
export type Link = (typeof LINKS)[number]

/** What is done, and for how long; `forMs` later it is undone. */
export type Fault =
  | { kind: 'kill'; replica: number; downMs: number }
  | { kind: 'pause'; replica: number; forMs: number }
  | { kind: 'postgres'; how: 'restart' | 'end_connections' }
  | { kind: 'rabbitmq'; how: 'kill' | 'restart' }
  | { kind: 'rabbitmq'; how: 'alarm'; forMs: number }
  | { kind: 'network'; link: Link; how: 'cut' | 'fin' }
  | { kind: 'network'; link: Link; how: 'refuse' | 'freeze' | 'swallow'; forMs: number }
  | { kind: 'network'; link: Link; how: 'delay'; forMs: number; delayMs: number }
  | { kind: 'network'; link: Link; how: 'cut_within'; bytes: number; direction: 'up' | 'down' }
  | { kind: 'cloud'; how: CloudTrouble; forMs: number }
  | CredentialFault

export const CLOUD_TROUBLES = ['errors', 'cuts', 'lists', 'slow', 'throttle', 'mixed'] as const
export type CloudTrouble = (typeof CLOUD_TROUBLES)[number]

export interface PlannedFault {
  /** From the first message. */
  atMs: number
  fault: Fault
}

export interface PlanOptions {
  seed: number
  durationMs: number
  kills: number
  replicas: number
  projects: number
  leaseMs: number
  faults: readonly FaultKind[]
}

/** A quorum queue that is killed in its first seconds may lose what it confirmed: servers are left alone so long. */
const QUIET_MS = 6000
/** Mean times between faults of a kind. */
const EVERY_MS = {
  pause: 9000,
  connections: 12_000,
  postgres: 45_000,
  rabbitmq: 60_000,
  alarm: 50_000,
  network: 3500,
  cloud: 6000,
  credential: 2500,
}

/** The faults of a run in order of time: the same for the same options. Pure. */
export function planFaults(options: PlanOptions): PlannedFault[] {
  const { seed, durationMs, kills, replicas, projects, leaseMs, faults } = options
  const random = createSeededRandom(seed)
  const planned: PlannedFault[] = []
  const add = (atMs: number, fault: Fault) => planned.push({ atMs: Math.round(atMs), fault })
  const every = (meanMs: number, fromMs: number, faultAt: () => Fault) => {
    const times = moments(random, Math.max(1, Math.round((durationMs - fromMs) / meanMs)), fromMs, durationMs)
    for (const at of times) add(at, faultAt())
  }
  const has = (kind: FaultKind) => faults.includes(kind)
  const replica = () => random.between(0, replicas - 1)

  if (has('kill')) {
    for (const at of moments(random, kills, 500, durationMs)) {
      add(at, { kind: 'kill', replica: replica(), downMs: random.between(50, 2500) })
    }
  }
  if (has('pause')) {
    every(EVERY_MS.pause, 1000, () => {
      return { kind: 'pause', replica: replica(), forMs: random.between(leaseMs / 6, leaseMs * 2) }
    })
  }
  if (has('postgres')) {
    every(EVERY_MS.postgres, QUIET_MS, () => ({ kind: 'postgres', how: 'restart' }))
    every(EVERY_MS.connections, 1000, () => ({ kind: 'postgres', how: 'end_connections' }))
  }
  if (has('rabbitmq')) {
    every(EVERY_MS.rabbitmq, QUIET_MS, () => ({ kind: 'rabbitmq', how: random.pick(['kill', 'restart']) }))
    every(EVERY_MS.alarm, 2000, () => ({ kind: 'rabbitmq', how: 'alarm', forMs: random.between(500, 4000) }))
  }
  if (has('network')) every(EVERY_MS.network, 500, () => networkFault(random))
  if (has('cloud')) {
    every(EVERY_MS.cloud, 0, () => {
      return { kind: 'cloud', how: random.pick(CLOUD_TROUBLES), forMs: random.between(1000, 5000) }
    })
  }
  // Last, so that a seed means the same for the kinds above as without it.
  if (has('credential')) every(EVERY_MS.credential, 1000, () => credentialFault(random, projects))
  return planned.toSorted((a, b) => a.atMs - b.atMs)
}

/**
 * On the way to CloudDC nothing may be held back and delivered later: the promise is about calls as CloudDC sees
 * them, and no caller can keep a budget on behalf of a network that gathers calls.
 */
function networkFault(random: SeededRandom): Fault {
  const link = random.pick(LINKS)
  const forMs = random.between(200, 4000)
  switch (random.pick(['cut', 'fin', 'refuse', 'freeze', 'swallow', 'delay', 'cut_within', 'cut_within'])) {
    case 'cut':
      return { kind: 'network', link, how: 'cut' }
    case 'fin':
      return { kind: 'network', link, how: 'fin' }
    case 'refuse':
      return { kind: 'network', link, how: 'refuse', forMs }
    case 'freeze':
      return { kind: 'network', link, how: link === 'cloud' ? 'swallow' : 'freeze', forMs }
    case 'swallow':
      return { kind: 'network', link, how: 'swallow', forMs }
    case 'delay':
      return { kind: 'network', link, how: 'delay', forMs, delayMs: random.between(5, 150) }
    default: {
      const direction = random.pick(['up', 'down'] as const)
      return { kind: 'network', link, how: 'cut_within', bytes: random.between(1, 20_000), direction }
    }
  }
}

function moments(random: SeededRandom, count: number, fromMs: number, toMs: number): number[] {
  return Array.from({ length: count }, () => fromMs + random.next() * Math.max(0, toMs - fromMs))
}
