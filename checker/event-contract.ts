import { z } from 'zod'
import type { ObservedEvent } from './evidence.ts'

/** The events as the contract describes them to their consumers: the judge's own reading of it. */
const subject = { project_id: z.string().min(1), request_id: z.string().min(1) }
const dateTime = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const error = z.object({ code: z.string().min(1), message: z.string() })
const count = z.int().min(0)

const data = {
  'request.accepted': z.strictObject({ ...subject, state: z.literal('queued') }),
  'request.rejected': z.strictObject({
    ...subject,
    code: z.string(),
    detail: z.array(z.strictObject({ path: z.string(), message: z.string() })),
  }),
  'request.dispatched': z.strictObject({
    ...subject,
    instance_ids: z.array(z.string()).min(1),
    attempt: z.int().min(1),
  }),
  'request.uncertain': z.strictObject({ ...subject, attempt: z.int().min(1), reason: z.string().min(1) }),
  'request.completed': z.strictObject({
    ...subject,
    state: z.enum(['running', 'partially_running', 'failed', 'expired', 'cancelled']),
    counts: z.strictObject({ min: count, max: count, created: count, running: count, failed: count }),
    error: error.extend({ at: dateTime }).nullable(),
  }),
  'instance.running': z.strictObject({
    ...subject,
    instance_id: z.string(),
    name: z.string().nullable(),
    server_id: z.string().min(1).nullable(),
    network_interfaces: z.array(
      z.strictObject({ subnet_id: z.string().nullable(), ipv4_address: z.string().nullable() }),
    ),
    image_id: z.string().min(1).nullable(),
    running_at: dateTime,
  }),
  'instance.failed': z.strictObject({ ...subject, instance_id: z.string(), error }),
}

export type EventKind = keyof typeof data
export type EventData<Kind extends EventKind> = z.infer<(typeof data)[Kind]>

const envelope = z.strictObject({
  specversion: z.literal('1.0'),
  id: z.uuid(),
  type: z.string(),
  source: z.string(),
  subject: z.string().optional(),
  time: dateTime,
  datacontenttype: z.literal('application/json'),
  dataschema: z.string(),
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
  data: z.looseObject(subject),
})

/** One event as it was read, by its kind. */
export type ReadEvent = {
  [Kind in EventKind]: {
    kind: Kind
    id: string
    time: string
    data: EventData<Kind>
    traceparent: string | undefined
    correlationId: string | undefined
  }
}[EventKind]

/** The event, or everything by which it breaks the contract. */
export function readEvent(observed: ObservedEvent): ReadEvent | { faults: string[] } {
  let body: unknown
  try {
    body = JSON.parse(observed.body)
  } catch {
    return { faults: ['its body is not JSON'] }
  }
  const read = envelope.safeParse(body)
  if (!read.success) return { faults: describe(read.error) }
  const { id, type, source, time, data: content, traceparent } = read.data
  const kind = type.replace(/^provisioner\./, '')
  if (!isKind(kind) || type !== `provisioner.${kind}`) return { faults: [`its type ${type} is unknown`] }
  const parsed = data[kind].safeParse(content)
  if (!parsed.success) return { faults: describe(parsed.error) }

  const { project_id, request_id } = content
  const instance = kind.startsWith('instance.') ? String(content.instance_id) : undefined
  const expected: [string, unknown, unknown][] = [
    ['source', source, `/v1/${project_id}/provision-requests/${request_id}`],
    ['subject', read.data.subject, instance],
    ['dataschema', read.data.dataschema, `urn:provisioner:${kind}:1`],
    ['routing key', observed.routingKey, `${kind}.${project_id}`],
    ['message_id', observed.messageId, id],
    ['AMQP type', observed.type, type],
    ['content_type', observed.contentType, 'application/cloudevents+json'],
    ['persistence', observed.persistent, true],
  ]
  const faults = expected
    .filter(([, found, wanted]) => found !== wanted)
    .map(([what, found, wanted]) => `its ${what} is ${String(found)}, not ${String(wanted)}`)
  if (faults.length > 0) return { faults }
  return {
    kind,
    id,
    time,
    data: parsed.data,
    traceparent,
    correlationId: observed.correlationId,
  } as ReadEvent
}

function isKind(kind: string): kind is EventKind {
  return Object.hasOwn(data, kind)
}

function describe(fault: z.ZodError): string[] {
  return fault.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
}
