import { namedValues } from './named-values.ts'
import { harmless } from './text-width.ts'

/** An event as it is published: a CloudEvent. */
export interface ShownEvent {
  id: string
  type: string
  time: string
  data: { project_id: string; request_id: string } & Readonly<Record<string, unknown>>
}

/** Null for what is no event. */
export function readEvent(body: Buffer): ShownEvent | null {
  try {
    const event = JSON.parse(body.toString('utf8')) as Partial<ShownEvent> | null
    return event?.data === undefined || event.id === undefined ? null : (event as ShownEvent)
  } catch {
    return null
  }
}

/** An event in one line: when, what, whose, and what it says. */
export function lineOf({ time, type, data }: ShownEvent): string {
  const { project_id, request_id, ...said } = data
  const kind = type.replace(/^provisioner\./, '').padEnd('request.dispatched'.length)
  const words = namedValues(Object.entries(said).filter(([, value]) => value !== null))
  return harmless(`${time}  ${kind}  ${project_id} ${request_id}  ${words}`.trimEnd())
}
