import { type Clock, isoTime } from './clock.ts'
import { type Instance, type InstanceState, interfacesOf, runningAt, stateOf } from './lifecycle.ts'
import { type Operation, type Service, serviceOf } from './routes.ts'

/** One call as the simulator saw it. Field names are those of the admin port. Never holds a request body. */
export type Call = {
  /** 1, 2, 3 ... in order of arrival. */
  n: number
  /** Arrival (request headers read): ms since the epoch with a fraction, from a monotonic clock. */
  at_ms: number
  project: string
  operation: Operation
  method: string
  path: string
  query: string
  request_id: string
  /** Of the answer written; null while in flight and when the connection was cut before an answer. */
  status: number | null
  error_code: string | null
  /** How the simulator cut the connection. */
  cut: 'before' | 'after' | 'half' | null
  /** The fault that struck: its kind, and the id of the script it came from. */
  fault: string | null
  fault_id: number | null
  /** Whom it says it comes from: an access key, `account/user`, `account/agency`; '' when nobody known. */
  user: string
  /** Of a token that was issued: its project, '' for none, null for any. Also null for all other calls. */
  scope: string | null
  /** The call went over a limit (refused, unless the limiter only counts); `over_user_limit`: over its user's. */
  over_limit: boolean
  over_user_limit: boolean
  /** What a valid create asked for, without its secrets. */
  asked: { name: string; min_count: number; max_count: number; servers: string[] | null } | null
  /** A create that was refused for want of servers: one that is not there or not ready, or too few. */
  bound_to_fail: boolean
  /** Instances this call created. */
  instance_ids: string[]
  body_bytes: number
  body_sha256: string | null
  /** From arrival to the end of the answer or the cut, ms; null while in flight. */
  took_ms: number | null
  /** The caller closed the connection before its answer was written. */
  caller_gone: boolean
}

export type CallFilter = {
  after?: number
  limit?: number
  project?: string
  operation?: string
  user?: string
  service?: Service
}

export type CallBook = {
  open(
    fields: Pick<
      Call,
      'at_ms' | 'project' | 'operation' | 'method' | 'path' | 'query' | 'request_id' | 'user'
    >,
  ): Call
  close(call: Call): void
  /** Calls with `n` greater than `after` in order of arrival. */
  calls(filter?: CallFilter): Call[]
  count(): number
  inFlight(): number
  /** Called for each call that is over; returns the unsubscriber. */
  onCall(listener: (call: Call) => void): () => void
  clear(): void
}

export function createCallBook({ clock }: { clock: Clock }): CallBook {
  let calls: Call[] = []
  let open = new Set<Call>()
  const listeners = new Set<(call: Call) => void>()
  return {
    open: (fields) => {
      const call: Call = {
        n: calls.length + 1,
        ...fields,
        status: null,
        error_code: null,
        cut: null,
        fault: null,
        fault_id: null,
        scope: null,
        over_limit: false,
        over_user_limit: false,
        asked: null,
        bound_to_fail: false,
        instance_ids: [],
        body_bytes: 0,
        body_sha256: null,
        took_ms: null,
        caller_gone: false,
      }
      calls.push(call)
      open.add(call)
      return call
    },
    close: (call) => {
      if (call.took_ms !== null) return
      call.took_ms = clock() - call.at_ms
      open.delete(call)
      for (const listener of listeners) listener(call)
    },
    calls: ({ after = 0, limit = Number.POSITIVE_INFINITY, project, operation, user, service } = {}) => {
      if ((project ?? operation ?? user ?? service) === undefined) return calls.slice(after, after + limit)
      const found: Call[] = []
      for (let at = after; at < calls.length && found.length < limit; at += 1) {
        const call = calls[at] as Call
        if ((project ?? call.project) !== call.project) continue
        if ((operation ?? call.operation) !== call.operation || (user ?? call.user) !== call.user) continue
        if (service === undefined || serviceOf(call.operation) === service) found.push(call)
      }
      return found
    },
    count: () => calls.length,
    inFlight: () => open.size,
    onCall: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    clear: () => {
      calls = []
      open = new Set()
    },
  }
}

/** An instance as the ledger shows it. Times are ISO 8601 UTC; `running_at` is null until its boot succeeded. */
export type LedgerInstance = {
  seq: number
  id: string
  project: string
  server_id: string
  name: string
  image_id: string
  vpc_id: string
  network_interfaces: { subnet_id: string; ipv4_address?: string }[]
  metadata: Record<string, string>
  description: string
  state: InstanceState
  /** `n` of the call that created it. */
  call: number
  created_at: string
  running_at: string | null
  deleted_at: string | null
}

export function ledgerInstance(instance: Instance, now: number): LedgerInstance {
  const ran = runningAt(instance, now)
  const { seq, id, project, serverId, spec, call, createdAt, deletedAt } = instance
  return {
    seq,
    id,
    project,
    server_id: serverId,
    ...spec,
    network_interfaces: interfacesOf(instance, now),
    state: stateOf(instance, now),
    call,
    created_at: isoTime(createdAt),
    running_at: ran === null ? null : isoTime(ran),
    deleted_at: deletedAt === null ? null : isoTime(deletedAt),
  }
}
