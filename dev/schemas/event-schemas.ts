import {
  dataSchemaOf,
  EVENT_KINDS,
  type EventKind,
  eventDataSchemas,
  eventSchema,
} from '../../src/contracts/event-schemas.ts'
import type { JsonSchema } from '../../src/contracts/json-schema.ts'
import { allNamed, type Bundle, describe, merge, toDocument } from './json-schema.ts'

/** What consumers get. Objects are open: a later version may add members, and that breaks nobody. */

/** `instance.running` as `InstanceRunning`. */
export function nameOf(kind: EventKind): string {
  return kind.replaceAll(/(?:^|\.)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The data of one kind, whose URN its events name as `dataschema`. */
export function eventData(kind: EventKind): Bundle {
  const { root, named } = describe(eventDataSchemas[kind], { open: true })
  return { root: { title: `${nameOf(kind)}Data`, ...root }, named }
}

/** A whole event of one kind. */
export function event(kind: EventKind): Bundle {
  const data = eventData(kind)
  const { root } = describe(eventSchema(kind), { open: true })
  const properties = { ...(root.properties as JsonSchema), data: { $ref: `#/$defs/${data.root.title}` } }
  const { description } = data.root
  return { root: { title: `${nameOf(kind)}Event`, description, ...root, properties }, named: allNamed(data) }
}

/** Any event: `type` tells the kinds apart. */
export function anyEvent(): Bundle {
  const events = EVENT_KINDS.map(event)
  return {
    root: {
      title: 'Event',
      description: 'An event of the provisioner: CloudEvents 1.0 in structured mode',
      oneOf: events.map(({ root }) => ({ $ref: `#/$defs/${root.title}` })),
    },
    named: merge(...events.map(allNamed)),
  }
}

/** Every file of events, by its name. */
export function eventFiles(): [path: string, document: JsonSchema][] {
  return [
    ['event.json', toDocument('urn:provisioner:event:1', anyEvent())],
    ...EVENT_KINDS.flatMap((kind): [string, JsonSchema][] => [
      [`events/${kind}.json`, toDocument(`urn:provisioner:event:${kind}:1`, event(kind))],
      [`events/${kind}.data.json`, toDocument(dataSchemaOf(kind), eventData(kind))],
    ]),
  ]
}
