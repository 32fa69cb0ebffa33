import { type EventKind, type ReadEvent, readEvent } from './event-contract.ts'
import { keyOf, type ObservedEvent } from './evidence.ts'
import type { Violation } from './verdict.ts'

/** An event by its id, with the place of its first copy among all arrivals. */
export type FirstCopy = ReadEvent & { position: number; copies: number }
export type FirstCopyOf<Kind extends EventKind> = Extract<FirstCopy, { kind: Kind }>

export interface EventRecord {
  /** First copies by project and request id, in order of arrival. */
  byRequest: ReadonlyMap<string, readonly FirstCopy[]>
  /** Events that break the contract, and ids under which different things were published. */
  faults: readonly Violation[]
}

/** Reads all copies, keeps the first of each id, and compares the others with it. */
export function recordEvents(observed: readonly ObservedEvent[]): EventRecord {
  const firstById = new Map<string, { event: FirstCopy; body: string }>()
  const faults: Violation[] = []
  for (const [position, copy] of observed.entries()) {
    const first = copy.messageId === undefined ? undefined : firstById.get(copy.messageId)
    if (first !== undefined) {
      first.event.copies += 1
      if (first.body !== copy.body) {
        faults.push({ subject: `event ${copy.messageId}`, message: 'its copies differ' })
      }
      continue
    }
    const read = readEvent(copy)
    if ('faults' in read) {
      const subject = `event ${copy.messageId ?? '?'} (${copy.routingKey})`
      faults.push(...read.faults.map((message) => ({ subject, message })))
      continue
    }
    firstById.set(read.id, { event: { ...read, position, copies: 1 }, body: copy.body })
  }
  const events = [...firstById.values()].map(({ event }) => event)
  return { byRequest: Map.groupBy(events, ({ data }) => keyOf(data.project_id, data.request_id)), faults }
}

export function eventsOf<Kind extends EventKind>(
  events: readonly FirstCopy[],
  kind: Kind,
): FirstCopyOf<Kind>[] {
  return events.filter((event): event is FirstCopyOf<Kind> => event.kind === kind)
}
