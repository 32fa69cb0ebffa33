import type { CaseFile, RequestCase } from './case-file.ts'
import { sameCounts } from './counts.ts'
import type { EventData } from './event-contract.ts'
import { faultsOfOrder } from './event-order.ts'
import { eventsOf, type FirstCopy, type FirstCopyOf, recordEvents } from './event-record.ts'
import { keyOf, type LedgerInstance, TERMINAL_STATES } from './evidence.ts'
import { lettersByNumber, nameOf } from './lost.ts'
import type { Violation } from './verdict.ts'

/** States of an attempt whose instances exist and were told of. */
const DISPATCHED = ['created', 'adopted']

/**
 * I4: every event that is owed was published at least once, under one id, in order per request, and says what the
 * ledger and the tables say.
 */
export function findMissingEvents(file: CaseFile): Violation[] {
  const record = recordEvents(file.evidence.events)
  const violations: Violation[] = [...record.faults]
  for (const one of file.cases) {
    const events = record.byRequest.get(one.key) ?? []
    const messages = [...faultsOfRequest(one, events, file), ...faultsOfOrder(events)]
    violations.push(...messages.map((message) => ({ subject: one.key, message })))
  }
  for (const [key, events] of record.byRequest) {
    const foreign = file.byKey.has(key) ? [] : events.filter(({ kind }) => kind !== 'request.rejected')
    violations.push(
      ...foreign.map(({ kind }) => ({ subject: key, message: `${kind} for no stored request` })),
    )
  }
  violations.push(...missingRejections(file, record.byRequest))
  return violations
}

/** A dead letter whose ids can be read owes `request.rejected` with the same code. */
function missingRejections(
  { evidence }: CaseFile,
  byRequest: ReadonlyMap<string, readonly FirstCopy[]>,
): Violation[] {
  const letters = lettersByNumber(evidence.deadLetters)
  return evidence.published.flatMap((message) => {
    const [letter] = letters.get(message.number) ?? []
    if (letter === undefined || message.projectId === null || message.requestId === null) return []
    const events = byRequest.get(keyOf(message.projectId, message.requestId)) ?? []
    const code = letter.headers['x-rejection-code']
    if (eventsOf(events, 'request.rejected').some(({ data }) => data.code === code)) return []
    return [{ subject: nameOf(message), message: `no event request.rejected (${String(code)})` }]
  })
}

function faultsOfRequest(one: RequestCase, events: readonly FirstCopy[], file: CaseFile): string[] {
  return [
    ...exactlyOne(eventsOf(events, 'request.accepted'), 'request.accepted'),
    ...faultsOfDispatched(one, events),
    ...faultsOfUncertain(one, events),
    ...faultsOfInstances(one, events, file),
    ...faultsOfCompleted(one, events),
    ...faultsOfTracing(one, events),
  ]
}

function faultsOfDispatched(one: RequestCase, events: readonly FirstCopy[]): string[] {
  const dispatched = eventsOf(events, 'request.dispatched')
  const faults: string[] = []
  for (const attempt of one.attempts) {
    const told = dispatched.filter(({ data }) => data.attempt === attempt.number)
    const ids = told.flatMap(({ data }) => data.instance_ids)
    if (!DISPATCHED.includes(attempt.state)) {
      if (told.length > 0) faults.push(`request.dispatched for attempt ${attempt.number}, which made nothing`)
      continue
    }
    const made = one.instances.filter(({ attemptId }) => attemptId === attempt.id).map(({ id }) => id)
    const missing = made.filter((id) => !ids.includes(id))
    if (told.length === 0) faults.push(`no request.dispatched for attempt ${attempt.number}`)
    else if (missing.length > 0) faults.push(`request.dispatched without instances ${missing.join(', ')}`)
    // Instances found later are told of in an event of their own: ids of one attempt, each in one event.
    if (new Set(ids).size < ids.length)
      faults.push(`request.dispatched for attempt ${attempt.number} under two ids`)
    if (ids.some((id) => !made.includes(id))) faults.push('request.dispatched with instances of others')
  }
  const numbers = new Set(one.attempts.map(({ number }) => number))
  const strange = dispatched.filter(({ data }) => !numbers.has(data.attempt))
  return [...faults, ...strange.map(({ data }) => `request.dispatched for unknown attempt ${data.attempt}`)]
}

function faultsOfUncertain(one: RequestCase, events: readonly FirstCopy[]): string[] {
  const told = eventsOf(events, 'request.uncertain')
  const doubts = one.transitions.filter(({ from, to }) => to === 'uncertain' && from !== to)
  const faults: string[] = []
  for (const { id, number } of one.attempts) {
    const owed = doubts.filter(({ attemptId }) => attemptId === id).length
    const found = told.filter(({ data }) => data.attempt === number).length
    if (found < owed) faults.push(`${found} of ${owed} request.uncertain for attempt ${number}`)
  }
  const total = one.transitions.filter(({ to }) => to === 'uncertain').length
  if (total === 0 && told.length > 0) faults.push('request.uncertain, but no outcome was unknown')
  return faults
}

function faultsOfInstances(
  one: RequestCase,
  events: readonly FirstCopy[],
  { askedSingly }: CaseFile,
): string[] {
  const running = Map.groupBy(eventsOf(events, 'instance.running'), ({ data }) => data.instance_id)
  const failed = Map.groupBy(eventsOf(events, 'instance.failed'), ({ data }) => data.instance_id)
  const upstream = new Map(one.ledgerInstances.map((instance) => [instance.id, instance]))
  const faults: string[] = []
  for (const { id, state } of one.instances) {
    if (state === 'running') {
      const told = running.get(id) ?? []
      faults.push(...exactlyOne(told, `instance.running of ${id}`))
      for (const { data } of told) {
        const known = upstream.get(id)
        const neverListed = data.server_id === null && askedSingly.has(id)
        if (data.name !== known?.name || !(neverListed || isAsListed(data, known))) {
          faults.push(
            `instance.running of ${id} with another name, server, image or address than the ledger's`,
          )
        }
      }
    }
    if (state === 'failed') faults.push(...exactlyOne(failed.get(id) ?? [], `instance.failed of ${id}`))
    if (state !== 'running' && running.has(id)) faults.push(`instance.running of ${id}, which is ${state}`)
    if (state !== 'failed' && failed.has(id)) faults.push(`instance.failed of ${id}, which is ${state}`)
  }
  const known = new Set(one.instances.map(({ id }) => id))
  const strange = [...running.keys(), ...failed.keys()].filter((id) => !known.has(id))
  return [...faults, ...strange.map((id) => `an event of instance ${id}, which is not the request's`)]
}

function isAsListed(
  told: EventData<'instance.running'>,
  { server_id, image_id, network_interfaces }: LedgerInstance,
): boolean {
  const addresses = network_interfaces.map((one) => [one.subnet_id, one.ipv4_address ?? null])
  const toldOf = told.network_interfaces.map((one) => [one.subnet_id, one.ipv4_address])
  return (
    told.server_id === server_id &&
    told.image_id === image_id &&
    JSON.stringify(toldOf) === JSON.stringify(addresses)
  )
}

function faultsOfCompleted({ row, instances }: RequestCase, events: readonly FirstCopy[]): string[] {
  const completed = eventsOf(events, 'request.completed')
  if (!TERMINAL_STATES.includes(row.state)) {
    return completed.length > 0 ? [`request.completed, but the request is ${row.state}`] : []
  }
  const faults = exactlyOne(completed, 'request.completed')
  // The row also counts what was found after the end.
  const late = instances.filter((instance) => instance.late)
  const ended = (state: string) => late.filter((instance) => instance.state === state).length
  for (const { data } of completed) {
    const { min, max } = row
    const created = row.created - late.length
    const running = row.running - ended('running')
    const failed = row.failed - ended('failed')
    if (data.state !== row.state) faults.push(`request.completed says ${data.state}, the row ${row.state}`)
    if (!sameCounts(data.counts, { min, max, created, running, failed })) {
      faults.push('request.completed has other counts than the row')
    }
    if ((data.error?.code ?? null) !== row.errorCode)
      faults.push('request.completed has another error than the row')
  }
  return faults
}

/** What came with the message travels with its events. */
function faultsOfTracing({ messages }: RequestCase, events: readonly FirstCopy[]): string[] {
  if (messages.length === 0) return []
  const own = events.filter(({ kind }) => kind !== 'request.rejected')
  const came = (event: FirstCopy) =>
    messages.some(
      ({ correlationId, traceparent }) =>
        event.correlationId === correlationId && event.traceparent === traceparent,
    )
  return own
    .filter((event) => !came(event))
    .map(({ kind }) => `${kind} with another correlation id or traceparent`)
}

function exactlyOne(events: readonly FirstCopyOf<FirstCopy['kind']>[], what: string): string[] {
  if (events.length === 1) return []
  return [events.length === 0 ? `no ${what}` : `${what} under ${events.length} ids`]
}
