import type { Counts } from './counts.ts'

/**
 * What a run left behind, as seen from outside: what was published, what CloudDC's ledger holds, what a consumer of
 * its own received, what stands in the tables, and every text where no secret may be. Collected by collect.ts,
 * judged by judge.ts; plain data, so that a judgement can be repeated and tested with evidence made by hand.
 */
export interface Evidence {
  published: readonly PublishedMessage[]
  /** Messages that are still on the request queue. */
  queueDepth: number
  deadLetters: readonly DeadLetter[]
  requests: readonly RequestRow[]
  attempts: readonly AttemptRow[]
  instances: readonly InstanceRow[]
  transitions: readonly TransitionRow[]
  /** What the HTTP API said of requests, of all or of a part of them. */
  statuses: readonly RequestStatus[]
  /** Every copy that arrived, in order of arrival. */
  events: readonly ObservedEvent[]
  calls: readonly LedgerCall[]
  ledgerInstances: readonly LedgerInstance[]
  /** The call limit that was promised to every project. */
  limit: CallLimit
  /** That of every user of the cloud, over all projects; null where none was promised. */
  userLimit: CallLimit | null
  /** Logs, metrics, HTTP bodies, rows as text: nothing in them may be a secret. */
  texts: readonly { source: string; text: string }[]
  /** The passwords of all published messages. */
  secrets: readonly string[]
}

export interface CallLimit {
  perSecond: number
  burst: number
}

/** What a valid message orders. The name is unique in the run: the ledger knows the order by it. */
export interface Order {
  name: string
  min: number
  max: number
  /** Distinct server ids, or null where any server will do. */
  servers: readonly string[] | null
  deadline: Date | null
}

/**
 * How a message is meant to end.
 *
 * - `creates`: CloudDC takes the order; how many of its instances run is up to the ledger
 * - `refused`: CloudDC says no for good (an unknown server, too few servers), to the order or to who asks beforehand
 * - `expires`: its deadline passes before it is dispatched
 * - `cancels`: withdrawn before it is dispatched
 * - `rejected`: a dead letter with this code
 * - `copy`: the same content as an earlier message of its key
 * - `conflict`: other content under the key of another message; whichever is stored second is a dead letter
 * - `open`: any legal end
 */
export type Expectation =
  | { kind: 'creates' | 'refused' | 'expires' | 'cancels' | 'copy' | 'conflict' | 'open' }
  | { kind: 'rejected'; code: string }

export interface PublishedMessage {
  /** 1, 2, ... in the run; travels in the header x-message-number. */
  number: number
  /** Null where they cannot be read from the message. */
  projectId: string | null
  requestId: string | null
  body: Buffer
  contentType: string | undefined
  messageId: string | undefined
  correlationId: string | undefined
  traceparent: string | undefined
  /** The broker confirmed it; an unconfirmed one may be there or not. */
  confirmed: boolean
  /** Null for a message that is no valid order. */
  order: Order | null
  expect: Expectation
}

export interface DeadLetter {
  body: Buffer
  contentType: string | undefined
  messageId: string | undefined
  correlationId: string | undefined
  headers: Record<string, unknown>
}

export interface RequestRow {
  id: string
  projectId: string
  requestId: string
  /** The name in its spec. */
  name: string
  state: string
  min: number
  max: number
  created: number
  running: number
  failed: number
  errorCode: string | null
  hasPassword: boolean
  /** What a request that has not ended waits for and until when; null where it says neither. */
  waiting: { reason: string; until: Date | null } | null
  deadline: Date | null
  createdAt: Date
  completedAt: Date | null
}

export interface AttemptRow {
  /** `<row id of the request>.<number>`: what the marker of its instances begins with. */
  id: string
  provisionRequestId: string
  number: number
  state: string
}

export interface InstanceRow {
  projectId: string
  id: string
  provisionRequestId: string
  attemptId: string
  state: string
  /** Its row is younger than the end of its request. */
  late: boolean
}

export interface TransitionRow {
  provisionRequestId: string
  version: number
  /** Null for the first; the same as `to` where something was only noted. */
  from: string | null
  to: string
  cause: string
  attemptId: string | null
}

export interface RequestStatus {
  projectId: string
  requestId: string
  /** `HTTP 404` and the like where there was no status. */
  state: string
  counts: Counts | null
  waiting: RequestRow['waiting']
  /** How many are listed. */
  instances: number
}

export interface ObservedEvent {
  routingKey: string
  messageId: string | undefined
  type: string | undefined
  contentType: string | undefined
  correlationId: string | undefined
  persistent: boolean
  body: string
}

/** One call in CloudDC's ledger. */
export interface LedgerCall {
  n: number
  /** Arrival: milliseconds with a fraction, on one monotonic clock. */
  at_ms: number
  /** Empty for calls that belong to no project, such as those for tokens. */
  project: string
  /** Whose credential it carried, as far as the ledger knows; empty where it does not. */
  user: string
  operation: string
  path: string
  status: number | null
  /** How the connection was cut instead of, or during, the answer. */
  cut: string | null
  asked: { name: string; min_count: number; max_count: number; servers: string[] | null } | null
  instance_ids: readonly string[]
}

export interface LedgerInstance {
  id: string
  project: string
  server_id: string
  name: string
  image_id: string
  network_interfaces: readonly { subnet_id: string; ipv4_address?: string }[]
  metadata: Record<string, string>
  description: string
  state: string
  /** The `n` of the call that created it. */
  call: number
}

export const TERMINAL_STATES: readonly string[] = [
  'running',
  'partially_running',
  'failed',
  'expired',
  'cancelled',
]

export const keyOf = (projectId: string, id: string): string => `${projectId}/${id}`
