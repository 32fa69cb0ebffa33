import type { LookedAtOrder } from './orders.sql.ts'

/** CloudDC's own codes for the same faults: whoever finds them first, the sender has one rule for them. */
const UNKNOWN_SERVERS = 'iMetal.0100'
const NOT_READY = 'iMetal.0101'
/** Servers named in a text. */
const NAMED = 10

/** A server as ListServers shows it. */
export interface SeenServer {
  id: string
  /** In lower case. */
  manageState: string
  frozen: boolean
}

/** What a reading has shown of a project's servers. */
export interface ServerReading {
  /** On the database's clock, as text. */
  begunAt: string
  /** Servers that any order may get. */
  ready: number
  /** Of these, how many may be gone to orders under way. */
  taken: number
  /** All servers by id; null where only the counts were read. */
  servers: ReadonlyMap<string, SeenServer> | null
}

export interface NotReady {
  code: string
  message: string
  /** For the history. */
  evidence: Record<string, unknown>
}

export type Decision =
  | { order: LookedAtOrder; does: 'go' }
  | { order: LookedAtOrder; does: 'fail'; why: NotReady }
  /** It waits for servers (`why`), or for the next reading (null). */
  | { order: LookedAtOrder; does: 'stay'; why: NotReady | null }

/**
 * Holds orders against a reading, in their order. Pure. One whose servers are not ready ends, or waits if it wants to, and
 * only by a reading that began after it was accepted. One that the servers would do for, if others had not been let go
 * for them just now (`spoken`: selected servers), waits for the next reading. At most `room` go.
 */
export function decide(
  orders: readonly LookedAtOrder[],
  reading: ServerReading,
  { spoken, room }: { spoken: ReadonlySet<string>; room: number },
): Decision[] {
  const taken = new Set(spoken)
  let left = reading.ready - reading.taken
  let gone = 0
  return orders.map((order): Decision => {
    const { servers, minCount, maxCount } = order
    const why = shortageOf(order, reading)
    if (why !== null) {
      if (order.waits) return { order, does: 'stay', why }
      return order.acceptedBefore ? { order, does: 'fail', why } : { order, does: 'stay', why: null }
    }
    const isFree = servers === null ? minCount <= left : !servers.some((id) => taken.has(id))
    if (!isFree || gone >= room) return { order, does: 'stay', why: null }
    for (const id of servers ?? []) taken.add(id)
    left -= maxCount
    gone += 1
    return { order, does: 'go' }
  })
}

/** Why the servers, as they are, will not do for an order; null if they will. */
function shortageOf(
  { servers, minCount }: LookedAtOrder,
  { begunAt, ready, servers: seen }: ServerReading,
): NotReady | null {
  const evidence = { preflight: 'ListServers', read_at: begunAt, ready_servers: ready }
  if (servers === null) {
    if (minCount <= ready) return null
    const message = `${count(ready, 'server is', 'servers are')} ready, fewer than the ${minCount} asked for`
    const by = seen === null ? 'CountServers' : 'ListServers'
    return { code: NOT_READY, message, evidence: { ...evidence, preflight: by, min_count: minCount } }
  }
  if (seen === null) return null
  const unknown = servers.filter((id) => !seen.has(id))
  const unready = servers.flatMap((id) => {
    const server = seen.get(id)
    return server === undefined || isReady(server) ? [] : [server]
  })
  const states = Object.fromEntries(unready.map((server) => [server.id, stateOf(server)]))
  const facts = {
    ...evidence,
    ...(unknown.length > 0 && { unknown_servers: unknown }),
    ...(unready.length > 0 && { not_ready: states }),
  }
  if (unknown.length > 0)
    return { code: UNKNOWN_SERVERS, message: `servers not found: ${listed(unknown)}`, evidence: facts }
  if (unready.length === 0) return null
  const named = unready.map((server) => `${server.id} (${stateOf(server)})`)
  return { code: NOT_READY, message: `servers not ready: ${listed(named)}`, evidence: facts }
}

/** Whether CloudDC would start an order on it. */
export function isReady({ manageState, frozen }: SeenServer): boolean {
  return manageState === 'ready' && !frozen
}

const stateOf = ({ manageState, frozen }: SeenServer) => (frozen ? 'frozen' : manageState)

function listed(names: readonly string[]): string {
  const more = names.length - NAMED
  return `${names.slice(0, NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const count = (number: number, one: string, many: string) => `${number} ${number === 1 ? one : many}`
