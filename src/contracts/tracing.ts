import type { EventSubject } from './events.ts'

/** What a message passes on to its events. */
export type Tracing = Omit<EventSubject, 'projectId' | 'requestId'>

/** The same as it came. */
export interface TracingInput {
  /** AMQP correlation_id; what was not UTF-8 in it is U+FFFD. */
  correlationId?: string | undefined
  headers?: Readonly<Record<string, unknown>> | undefined
}

/** AMQP gives a property no more. */
const MAX_CORRELATION_BYTES = 255
const MAX_TRACE_LENGTH = 512
const PRINTABLE = /^[\x20-\x7e]+$/

/** Why events cannot carry a correlation id, or undefined where they can. */
export function correlationFault(correlationId: string): string | undefined {
  if (correlationId.includes('\ufffd') || !correlationId.isWellFormed()) {
    return 'must be UTF-8, without the replacement character U+FFFD'
  }
  if (/\p{Cc}/u.test(correlationId)) return 'must have no control characters'
  if (Buffer.byteLength(correlationId) > MAX_CORRELATION_BYTES) {
    return `must have at most ${MAX_CORRELATION_BYTES} bytes`
  }
  return undefined
}

/**
 * As much of it as events can carry, and as `showsText` lets through. A trace header that is no plain text is left out:
 * it is no reason to refuse an order (W3C Trace Context, section 3.2).
 */
export function publishableTracing(
  { correlationId, headers = {} }: TracingInput,
  showsText: (text: string) => boolean,
): Tracing {
  const header = (value: unknown) =>
    typeof value === 'string' && value.length <= MAX_TRACE_LENGTH && PRINTABLE.test(value) && showsText(value)
      ? value
      : null
  const isSound =
    correlationId !== undefined && correlationFault(correlationId) === undefined && showsText(correlationId)
  return {
    correlationId: isSound ? correlationId : null,
    traceparent: header(headers.traceparent),
    tracestate: header(headers.tracestate),
  }
}
