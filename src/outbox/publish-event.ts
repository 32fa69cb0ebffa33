import type { Logger } from 'pino'
import type { PublishError } from '../amqp/errors.ts'
import type { OutgoingMessage } from '../amqp/message.ts'
import type { Publisher } from '../amqp/publisher.ts'
import { EVENT_EXCHANGE } from '../amqp/topology.ts'
import { EVENT_CONTENT_TYPE, type Event } from '../contracts/events.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { LaneStep } from './ordered-lanes.ts'

export interface PublishContext {
  publisher: Pick<Publisher, 'send'>
  metrics: Metrics
  /** No queue takes the event. */
  onReturned: (kind: string) => void
  logger: Logger
}

/** An event as it is published, or, with another address, as it is replayed. */
export function messageOf(
  event: Event,
  { exchange, routingKey }: Pick<OutgoingMessage, 'exchange' | 'routingKey'> = {
    exchange: EVENT_EXCHANGE,
    routingKey: event.routingKey,
  },
): OutgoingMessage {
  const { id: messageId, type, correlationId, body } = event
  const properties = { messageId, type, contentType: EVENT_CONTENT_TYPE, deliveryMode: 2 }
  return {
    exchange,
    routingKey,
    body,
    mandatory: true,
    properties: correlationId === null ? properties : { ...properties, correlationId },
  }
}

/**
 * Publishes an event. It is done when the broker has it, or when nobody is there to get it; else it is postponed, to be
 * published again. `writtenAt`: when it was stored, on the clock of performance.now().
 */
export function publishEvent(
  context: PublishContext,
  { event, writtenAt }: { event: Event; writtenAt: number },
  done: (step: LaneStep) => void,
): void {
  const startedAt = performance.now()
  context.publisher.send(messageOf(event), (error) => {
    if (error !== null) return done(notConfirmed(context, event, error))
    reached('outbox.confirmed')
    const { published, confirmSeconds, delaySeconds } = context.metrics.outbox
    const now = performance.now()
    published.inc()
    confirmSeconds.observe((now - startedAt) / 1000)
    delaySeconds.observe((now - writtenAt) / 1000)
    done('done')
  })
}

function notConfirmed(context: PublishContext, event: Event, error: PublishError): LaneStep {
  const { metrics, onReturned, logger } = context
  if (error.kind === 'returned') {
    metrics.outbox.returned.inc()
    onReturned(event.kind)
    return 'done'
  }
  if (error.kind === 'unencodable') {
    metrics.invariantViolations.inc({ invariant: 'missing_event' })
    logger.error({ event: event.id, err: error }, 'an event that AMQP cannot carry is left out')
    return 'done'
  }
  if (error.kind === 'nacked') metrics.outbox.nacked.inc()
  if (error.kind === 'unknown') metrics.outbox.unknown.inc()
  return 'postponed'
}
