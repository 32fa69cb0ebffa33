import {
  EVENT_KINDS,
  type EventData,
  type EventKind,
  eventSchema,
} from '../../src/contracts/event-schemas.ts'
import type { Event } from '../../src/contracts/events.ts'
import { validatorOf } from './schema-judge.ts'

/** An event as its consumers read it, valid by the contract. */
export type SeenEvent = {
  [Kind in EventKind]: { id: string; kind: Kind; subject?: string; time: string; data: EventData<Kind> }
}[EventKind]

/** Throws for what is no event by the contract. */
export function readEvent(body: string): SeenEvent {
  const value: unknown = JSON.parse(body)
  const type = String((value as { type?: unknown }).type)
  const kind = EVENT_KINDS.find((known) => type === `provisioner.${known}`)
  if (kind === undefined) throw new Error(`unknown event ${type}`)
  expectPublished(kind, value)
  return { ...eventSchema(kind).parse(value), kind } as SeenEvent
}

/** By the published schemas, which let later versions add members. */
function expectPublished(kind: EventKind, value: unknown): void {
  const { data, dataschema } = value as { data?: unknown; dataschema?: unknown }
  const judged: [id: string, what: unknown][] = [
    ['urn:provisioner:event:1', value],
    [`urn:provisioner:event:${kind}:1`, value],
    [String(dataschema), data],
  ]
  for (const [id, what] of judged) {
    const validate = validatorOf(id)
    if (!validate(what)) throw new Error(`${id}: ${JSON.stringify([validate.errors, what])}`)
  }
}

/** The body of an event, read. */
export function bodyOf(event: Pick<Event, 'body'> | undefined) {
  if (event === undefined) throw new Error('there is no event')
  return JSON.parse(event.body)
}
