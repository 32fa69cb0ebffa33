import { requestKey } from '../request/request-key.ts'
import { hashedUuid } from '../runtime/uuid.ts'
import { dataSchemaOf, type EventData, type EventKind, type NetworkInterface } from './event-schemas.ts'

/** The events this service publishes, as CloudEvents 1.0 in structured mode. The README lists them. */

/** An event as it is published. */
export interface Event {
  /** The CloudEvents id and the AMQP message_id. */
  id: string
  kind: EventKind
  /** Events of one key are published in order: `<project id>/<request id>`. */
  orderingKey: string
  routingKey: string
  type: string
  correlationId: string | null
  /** The message body. */
  body: string
}

/** The request an event is about, and what its message brought along for tracing. */
export interface EventSubject {
  projectId: string
  requestId: string
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
}

/** A stored request, which all events but `request.rejected` belong to. */
export interface StoredSubject extends EventSubject {
  /** The id of its row. */
  id: string
}

/** The change of a request that owes an event. */
export interface EventMoment {
  /** The request's version after the change. */
  version: number
  /** Milliseconds since 1970 on the database's clock. */
  at: number
}

export const EVENT_CONTENT_TYPE = 'application/cloudevents+json'

type OwnData<Kind extends EventKind> = Omit<EventData<Kind>, 'project_id' | 'request_id'>

function createEvent<Kind extends EventKind>(
  kind: Kind,
  { id, at, instanceId }: { id: string; at: number; instanceId?: string },
  subject: EventSubject,
  data: OwnData<Kind>,
): Event {
  const { projectId, requestId, correlationId, traceparent, tracestate } = subject
  const type = `provisioner.${kind}`
  const body = JSON.stringify({
    specversion: '1.0',
    id,
    type,
    source: `/v1/${projectId}/provision-requests/${requestId}`,
    subject: instanceId,
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
    dataschema: dataSchemaOf(kind),
    traceparent: traceparent ?? undefined,
    tracestate: tracestate ?? undefined,
    data: { project_id: projectId, request_id: requestId, ...data },
  })
  const orderingKey = requestKey(subject)
  return { id, kind, orderingKey, routingKey: `${kind}.${projectId}`, type, correlationId, body }
}

function createStoredEvent<Kind extends EventKind>(
  kind: Kind,
  subject: StoredSubject,
  { version, at }: EventMoment,
  data: OwnData<Kind>,
  instanceId?: string,
): Event {
  const id = hashedUuid(`${subject.id}/${version}/${kind}/${instanceId ?? ''}`)
  return createEvent(kind, { id, at, ...(instanceId === undefined ? {} : { instanceId }) }, subject, data)
}

/** The request is persisted. */
export function requestAccepted(
  subject: StoredSubject,
  moment: EventMoment,
  { state }: { state: string },
): Event {
  return createStoredEvent('request.accepted', subject, moment, { state })
}

/** A message that was dead-lettered, with ids that could be read. */
export interface Rejection extends EventSubject {
  /** UUIDv7: the id of its event. */
  id: string
  code: string
  detail: readonly { path: string; message: string }[]
}

/** `at`: milliseconds since 1970. */
export function requestRejected({ id, code, detail, ...subject }: Rejection, at: number): Event {
  return createEvent('request.rejected', { id, at }, subject, { code, detail: [...detail] })
}

/** CloudDC took the order, or an attempt was adopted. */
export function requestDispatched(
  subject: StoredSubject,
  moment: EventMoment,
  { instanceIds, attempt }: { instanceIds: readonly string[]; attempt: number },
): Event {
  return createStoredEvent('request.dispatched', subject, moment, { instance_ids: [...instanceIds], attempt })
}

/** An attempt's outcome is unknown. */
export function requestUncertain(
  subject: StoredSubject,
  moment: EventMoment,
  { attempt, reason }: { attempt: number; reason: string },
): Event {
  return createStoredEvent('request.uncertain', subject, moment, { attempt, reason })
}

/** A terminal state is reached. */
export function requestCompleted(
  subject: StoredSubject,
  moment: EventMoment,
  completion: {
    state: EventData<'request.completed'>['state']
    counts: EventData<'request.completed'>['counts']
    /** Its time is that of the completion. */
    error: { code: string; message: string } | null
  },
): Event {
  const { state, counts, error } = completion
  return createStoredEvent('request.completed', subject, moment, {
    state,
    counts: {
      min: counts.min,
      max: counts.max,
      created: counts.created,
      running: counts.running,
      failed: counts.failed,
    },
    error: error && { code: error.code, message: error.message, at: new Date(moment.at).toISOString() },
  })
}

/** One instance runs; what CloudDC has not named is null, or an empty list. */
export function instanceRunning(
  subject: StoredSubject,
  moment: EventMoment,
  instance: {
    instanceId: string
    name: string | null
    serverId: string | null
    networkInterfaces: NetworkInterface[] | null
    imageId: string | null
    /** Milliseconds since 1970. */
    runningAt: number
  },
): Event {
  const { instanceId, name, serverId, networkInterfaces, imageId, runningAt } = instance
  const data = {
    instance_id: instanceId,
    name,
    server_id: serverId,
    network_interfaces: networkInterfaces ?? [],
    image_id: imageId,
    running_at: new Date(runningAt).toISOString(),
  }
  return createStoredEvent('instance.running', subject, moment, data, instanceId)
}

/** One instance ended otherwise than running. */
export function instanceFailed(
  subject: StoredSubject,
  moment: EventMoment,
  { instanceId, error }: { instanceId: string; error: { code: string; message: string } },
): Event {
  const data = { instance_id: instanceId, error: { code: error.code, message: error.message } }
  return createStoredEvent('instance.failed', subject, moment, data, instanceId)
}
