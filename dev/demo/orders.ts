import type { Expectation, Order } from '../../checker/evidence.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** The servers of a project that the demo's orders name; ids as the simulator's inventory has them. */
export interface NamedServers {
  /** Ready, and kept for orders that select their servers. */
  reserved: string[]
  /** In repair: an order that selects one is refused. */
  inRepair: string[]
}

/** One valid request before it becomes a message. */
export interface DraftRequest {
  projectId: string
  requestId: string
  spec: Record<string, unknown>
  priority: number | undefined
  deadline: Date | undefined
  order: Order
  expect: Expectation
}

const UNKNOWN_SERVER = '00000000-0000-4000-8000-000000000000'
const PURPOSES = ['web', 'db', 'cache', 'build', 'gpu', 'edge', 'batch', 'proxy']
const TEAMS = ['shop', 'search', 'billing', 'maps']

/**
 * Requests in the variety that a real producer sends: mostly one server, some ranges, some that select their servers,
 * some with metadata up to the limit, priorities and deadlines; a few that CloudDC refuses and a few that come too
 * late. Which end is meant is noted beside each, the ledger decides.
 */
export function draftRequests({
  count,
  projectIds,
  random,
  passwordOf,
  now,
}: {
  count: number
  projectIds: readonly string[]
  random: SeededRandom
  passwordOf: (number: number) => string
  now: Date
}): { requests: DraftRequest[]; servers: Map<string, NamedServers> } {
  const servers = new Map(
    projectIds.map((id): [string, NamedServers] => [id, { reserved: [], inRepair: [] }]),
  )
  const requests = Array.from({ length: count }, (_, index) => {
    const number = index + 1
    const projectId = projectIds[index % projectIds.length] ?? 'project'
    const named = servers.get(projectId) ?? { reserved: [], inRepair: [] }
    const name = `${random.pick(PURPOSES)}-${String(number).padStart(4, '0')}`
    const spec: Record<string, unknown> = {
      name,
      image_id: 'f4f2ab0d-0a5c-4b5a-9c3e-0d7d6f0a1b2c',
      vpc_id: '7f0c2a53-5b0f-4f4e-8a52-1f6f1f0d9e11',
      network_interfaces: [{ subnet_id: 'b1946ac9-2492-4d23-8a6b-3f2f1c7d5e10' }],
      password: passwordOf(number),
      ...extras(random),
    }
    const placed = place({ spec, named, random, name, share: index / count })
    const expires = placed.expect.kind === 'creates' && random.chance(0.02)
    const deadline = expires ? new Date(now.getTime() - 60_000) : generousDeadline(random, now)
    return {
      projectId,
      requestId: `order-${String(number).padStart(4, '0')}`,
      spec,
      priority: random.chance(0.2) ? random.between(1, 9) : undefined,
      deadline,
      order: { ...placed.order, deadline: deadline ?? null },
      expect: expires ? { kind: 'expires' as const } : placed.expect,
    }
  })
  return { requests, servers }
}

/** What is ordered: any servers, so many of them, or these. Changes `spec`, and `named` by the servers it takes. */
function place({
  spec,
  named,
  random,
  name,
  share,
}: {
  spec: Record<string, unknown>
  named: NamedServers
  random: SeededRandom
  name: string
  /** How far through the run, 0..1: the first of each kind come early in every run. */
  share: number
}): Pick<DraftRequest, 'expect'> & { order: Omit<Order, 'deadline'> } {
  const creates: Expectation = { kind: 'creates' }
  const select = (servers: string[], expect: Expectation) => {
    spec.placement = { server_id_set: servers }
    // Counts beside a placement are accepted, and not sent.
    if (random.chance(0.2)) spec.max_count = 7
    return { expect, order: { name, min: servers.length, max: servers.length, servers } }
  }
  const kind = random.next()
  if (kind < 0.015) return select([UNKNOWN_SERVER], { kind: 'refused' })
  if (kind < 0.03) {
    const id = serverId(random)
    named.inRepair.push(id)
    return select([id], { kind: 'refused' })
  }
  if (kind < 0.11) {
    const chosen = Array.from({ length: random.between(1, 3) }, () => serverId(random))
    named.reserved.push(...chosen)
    return select(chosen, creates)
  }
  if (kind < 0.3) {
    const min = random.between(1, 2)
    const max = min + random.between(1, share > 0.5 ? 2 : 4)
    Object.assign(spec, { min_count: min, max_count: max })
    return { expect: creates, order: { name, min, max, servers: null } }
  }
  if (kind < 0.4) {
    const exactly = random.between(2, 4)
    spec.min_count = exactly
    return { expect: creates, order: { name, min: exactly, max: exactly, servers: null } }
  }
  return { expect: creates, order: { name, min: 1, max: 1, servers: null } }
}

function extras(random: SeededRandom): Record<string, unknown> {
  const kind = random.next()
  if (kind < 0.3)
    return { metadata: { team: random.pick(TEAMS), 'cost-center': String(random.between(100, 999)) } }
  // All ten pairs taken: the service has to put its marker elsewhere.
  if (kind < 0.34) {
    const pairs = Array.from({ length: 10 }, (_, index) => [`label-${index}`, random.pick(TEAMS)])
    return { metadata: Object.fromEntries(pairs), description: '十个标签 · ten labels' }
  }
  if (kind < 0.45) return { description: `ordered by ${random.pick(TEAMS)}`, metadata: null }
  return {}
}

function generousDeadline(random: SeededRandom, now: Date): Date | undefined {
  return random.chance(0.1) ? new Date(now.getTime() + random.between(1, 24) * 3_600_000) : undefined
}

function serverId(random: SeededRandom): string {
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => random.between(0, 15).toString(16)).join('')
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`
}
