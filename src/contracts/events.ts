import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { newUuid } from '../runtime/uuid.ts'

/** The events this service publishes, as CloudEvents 1.0 in structured mode. The README lists them. */

/** One outbox row: what the relay publishes, byte for byte. */
export interface NewEvent {
  /** UUIDv7: the CloudEvents id and the AMQP message_id. */
  id: string
  /** Events of one key are published in order. */
  orderingKey: string
  routingKey: string
  type: string
  correlationId: string | null
  /**
   * The message body, cut wherever the time of its transition stands. The statement that carries out the transition
   * joins the pieces with that time: replicas' clocks differ, and it alone knows what is stored and shown.
   */
  body: readonly string[]
}

/** The request an event is about, and what its message brought along for tracing. */
export interface EventSubject {
  projectId: string
  requestId: string
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
}

export const EVENT_EXCHANGE = 'provision.events'
export const EVENT_CONTENT_TYPE = 'application/cloudevents+json'

const dateTime = z.iso.datetime({ precision: 3 })
const ids = { project_id: z.string(), request_id: z.string() }
const failure = z.strictObject({ code: z.string(), message: z.string() })

/** As CloudDC lists it, with its names; what it does not say is null. */
const networkInterface = z.strictObject({
  subnet_id: z.string().nullable(),
  ipv4_address: z.string().nullable(),
})
export type NetworkInterface = z.infer<typeof networkInterface>

/** The data of each kind of event. */
export const eventDataSchemas = {
  'request.accepted': z.strictObject({ ...ids, state: z.string() }),
  'request.rejected': z.strictObject({
    ...ids,
    code: z.string(),
    detail: z.array(z.strictObject({ path: z.string(), message: z.string() })),
  }),
  'request.dispatched': z.strictObject({
    ...ids,
    instance_ids: z.array(z.string()),
    attempt: z.int().min(1),
  }),
  'request.uncertain': z.strictObject({ ...ids, attempt: z.int().min(1), reason: z.string() }),
  'request.completed': z.strictObject({
    ...ids,
    state: z.enum(['running', 'partially_running', 'failed', 'expired', 'cancelled']),
    counts: z.strictObject({
      min: z.int(),
      max: z.int(),
      created: z.int(),
      running: z.int(),
      failed: z.int(),
    }),
    error: failure.extend({ at: dateTime }).nullable(),
  }),
  'instance.running': z.strictObject({
    ...ids,
    instance_id: z.string(),
    name: z.string().nullable(),
    server_id: z.string().nullable(),
    network_interfaces: z.array(networkInterface),
    image_id: z.string().nullable(),
    running_at: dateTime,
  }),
  'instance.failed': z.strictObject({ ...ids, instance_id: z.string(), error: failure }),
}

export type EventKind = keyof typeof eventDataSchemas
export type EventData<Kind extends EventKind> = z.infer<(typeof eventDataSchemas)[Kind]>

export const EVENT_KINDS = Object.keys(eventDataSchemas) as EventKind[]

/** The schema of a whole event of one kind. */
export function eventSchema<Kind extends EventKind>(kind: Kind) {
  return z.strictObject({
    specversion: z.literal('1.0'),
    id: z.uuidv7(),
    type: z.literal(`provisioner.${kind}`),
    source: z.string().startsWith('/v1/'),
    ...(kind.startsWith('instance.') ? { subject: z.string() } : {}),
    time: dateTime,
    datacontenttype: z.literal('application/json'),
    traceparent: z.string().optional(),
    tracestate: z.string().optional(),
    data: eventDataSchemas[kind],
  })
}

/** Stands for the time until a body is cut there. It never leaves the process: no text from outside can hold it. */
const TIME = randomUUID()

type OwnData<Kind extends EventKind> = Omit<EventData<Kind>, 'project_id' | 'request_id'>

function createEvent<Kind extends EventKind>(
  kind: Kind,
  subject: EventSubject,
  data: OwnData<Kind>,
  instanceId?: string,
): NewEvent {
  const { projectId, requestId, correlationId, traceparent, tracestate } = subject
  const id = newUuid()
  const type = `provisioner.${kind}`
  const body = JSON.stringify({
    specversion: '1.0',
    id,
    type,
    source: `/v1/${projectId}/provision-requests/${requestId}`,
    subject: instanceId,
    time: TIME,
    datacontenttype: 'application/json',
    traceparent: traceparent ?? undefined,
    tracestate: tracestate ?? undefined,
    data: { project_id: projectId, request_id: requestId, ...data },
  })
  return {
    id,
    orderingKey: `${projectId}/${requestId}`,
    routingKey: `${kind}.${projectId}`,
    type,
    correlationId,
    body: body.split(TIME),
  }
}

/** The request is persisted. */
export function requestAccepted(subject: EventSubject, { state }: { state: string }): NewEvent {
  return createEvent('request.accepted', subject, { state })
}

/** The message was dead-lettered. */
export function requestRejected(
  subject: EventSubject,
  { code, detail }: { code: string; detail: { path: string; message: string }[] },
): NewEvent {
  return createEvent('request.rejected', subject, { code, detail })
}

/** CloudDC took the order, or an attempt was adopted. */
export function requestDispatched(
  subject: EventSubject,
  { instanceIds, attempt }: { instanceIds: string[]; attempt: number },
): NewEvent {
  return createEvent('request.dispatched', subject, { instance_ids: instanceIds, attempt })
}

/** An attempt's outcome is unknown. */
export function requestUncertain(
  subject: EventSubject,
  { attempt, reason }: { attempt: number; reason: string },
): NewEvent {
  return createEvent('request.uncertain', subject, { attempt, reason })
}

/** A terminal state is reached. */
export function requestCompleted(
  subject: EventSubject,
  completion: {
    state: EventData<'request.completed'>['state']
    counts: EventData<'request.completed'>['counts']
    /** Its time is that of the completion. */
    error: { code: string; message: string } | null
  },
): NewEvent {
  const { state, counts, error } = completion
  const data = {
    state,
    counts: {
      min: counts.min,
      max: counts.max,
      created: counts.created,
      running: counts.running,
      failed: counts.failed,
    },
    error: error && { code: error.code, message: error.message, at: TIME },
  }
  return createEvent('request.completed', subject, data)
}

/** One instance runs; what CloudDC has not named is null, or an empty list. */
export function instanceRunning(
  subject: EventSubject,
  instance: {
    instanceId: string
    name: string | null
    serverId: string | null
    networkInterfaces: NetworkInterface[] | null
    imageId: string | null
    runningAt: Date
  },
): NewEvent {
  const { instanceId, name, serverId, networkInterfaces, imageId, runningAt } = instance
  const data = {
    instance_id: instanceId,
    name,
    server_id: serverId,
    network_interfaces: networkInterfaces ?? [],
    image_id: imageId,
    running_at: runningAt.toISOString(),
  }
  return createEvent('instance.running', subject, data, instanceId)
}

/** One instance ended otherwise than running. */
export function instanceFailed(
  subject: EventSubject,
  { instanceId, error }: { instanceId: string; error: { code: string; message: string } },
): NewEvent {
  const data = { instance_id: instanceId, error: { code: error.code, message: error.message } }
  return createEvent('instance.failed', subject, data, instanceId)
}
