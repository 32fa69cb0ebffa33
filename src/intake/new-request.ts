import type { Delivery } from '../amqp/message.ts'
import { type EventSubject, requestAccepted } from '../contracts/events.ts'
import type { ProvisionCommand } from '../contracts/request-message.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { NewRequest } from '../store/requests.ts'
import { contentDigest, type PasswordDigester } from './digest.ts'
import type { Sealer } from './seal.ts'

const MAX_TRACE_LENGTH = 512
const PRINTABLE = /^[\x20-\x7e]+$/

/** What a delivery brings along that travels to the events; a trace header that is no plain text is left out. */
export function tracingOf(delivery: Delivery): Omit<EventSubject, 'projectId' | 'requestId'> {
  return {
    correlationId: delivery.correlationId ?? null,
    traceparent: traceHeader(delivery.headers.traceparent),
    tracestate: traceHeader(delivery.headers.tracestate),
  }
}

function traceHeader(value: unknown): string | null {
  return typeof value === 'string' && value.length <= MAX_TRACE_LENGTH && PRINTABLE.test(value) ? value : null
}

/** The row of an accepted message. */
export function toNewRequest(
  command: ProvisionCommand,
  delivery: Delivery,
  { sealer, passwordDigester }: { sealer: Sealer; passwordDigester: PasswordDigester },
): NewRequest {
  const { projectId, requestId, spec, priority, minCount, maxCount, deadline } = command
  const tracing = tracingOf(delivery)
  return {
    id: newUuid(),
    projectId,
    requestId,
    contentDigest: contentDigest(command),
    passwordDigest: passwordDigester.digest(command),
    spec,
    sealedPassword: sealer.seal(command.password, sealContext(projectId, requestId)),
    priority,
    minCount,
    maxCount,
    deadline,
    ...tracing,
    acceptedEvent: requestAccepted({ projectId, requestId, ...tracing }, { state: 'queued' }),
  }
}

/** What a password is sealed to: it opens for its own request only. */
export function sealContext(projectId: string, requestId: string): string {
  return `${projectId}/${requestId}`
}
