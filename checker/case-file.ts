import {
  type AttemptRow,
  type Evidence,
  type InstanceRow,
  keyOf,
  type LedgerCall,
  type LedgerInstance,
  type Order,
  type PublishedMessage,
  type RequestRow,
  type TransitionRow,
} from './evidence.ts'

/** All that is known about one stored request. */
export interface RequestCase {
  key: string
  row: RequestRow
  /** The messages that carry the content which was stored, in order of publishing. */
  messages: readonly PublishedMessage[]
  /** What was ordered; null when nobody published it. */
  order: Order | null
  attempts: readonly AttemptRow[]
  instances: readonly InstanceRow[]
  transitions: readonly TransitionRow[]
  /** Creating calls with this order's name, by arrival. */
  calls: readonly LedgerCall[]
  /** Good answers about the servers of its project, by arrival. */
  readings: readonly LedgerCall[]
  /** What those calls created. */
  ledgerInstances: readonly LedgerInstance[]
}

/** The evidence, put together by request. */
export interface CaseFile {
  evidence: Evidence
  cases: readonly RequestCase[]
  /** By project and request id. */
  byKey: ReadonlyMap<string, RequestCase>
  /** Creating calls that belong to no stored request. */
  strayCalls: readonly LedgerCall[]
  /** Instances of which CloudDC was asked singly: that answer tells the state, and not the server. */
  askedSingly: ReadonlySet<string>
}

const CREATING = new Set(['RunInstances', 'CreateInstance'])
const OF_SERVERS = new Set(['CountServers', 'ListServers'])

export function openCaseFile(evidence: Evidence): CaseFile {
  const messages = Map.groupBy(
    evidence.published.filter((message) => message.projectId !== null && message.requestId !== null),
    (message) => keyOf(message.projectId ?? '', message.requestId ?? ''),
  )
  const attempts = Map.groupBy(evidence.attempts, (attempt) => attempt.provisionRequestId)
  const instances = Map.groupBy(evidence.instances, (instance) => instance.provisionRequestId)
  const transitions = Map.groupBy(evidence.transitions, (transition) => transition.provisionRequestId)
  const creating = evidence.calls.filter((call) => CREATING.has(call.operation))
  const calls = Map.groupBy(creating, (call) => keyOf(call.project, call.asked?.name ?? ''))
  const readings = Map.groupBy(
    evidence.calls.filter(({ operation, status }) => OF_SERVERS.has(operation) && status === 200),
    ({ project }) => project,
  )
  const created = Map.groupBy(evidence.ledgerInstances, (instance) => keyOf(instance.project, instance.name))

  const cases = evidence.requests.map((row): RequestCase => {
    const key = keyOf(row.projectId, row.requestId)
    const ordered = keyOf(row.projectId, row.name)
    const own = (messages.get(key) ?? []).filter((message) => message.order?.name === row.name)
    return {
      key,
      row,
      messages: own,
      order: own[0]?.order ?? null,
      attempts: attempts.get(row.id) ?? [],
      instances: instances.get(row.id) ?? [],
      transitions: (transitions.get(row.id) ?? []).toSorted((a, b) => a.version - b.version),
      calls: calls.get(ordered) ?? [],
      readings: readings.get(row.projectId) ?? [],
      ledgerInstances: created.get(ordered) ?? [],
    }
  })
  const known = new Set(cases.map(({ row }) => keyOf(row.projectId, row.name)))
  return {
    evidence,
    cases,
    byKey: new Map(cases.map((one) => [one.key, one])),
    askedSingly: new Set(
      evidence.calls.flatMap(({ operation, path }) =>
        operation === 'ShowInstanceStatus' ? [path.split('/').at(-2) ?? ''] : [],
      ),
    ),
    // A call whose body could not be read has no name; it created nothing.
    strayCalls: creating.filter(
      (call) => call.asked !== null && !known.has(keyOf(call.project, call.asked.name)),
    ),
  }
}
