import { PublishError } from '../amqp/errors.ts'
import type { OutgoingMessage } from '../amqp/message.ts'
import type { Publisher } from '../amqp/publisher.ts'
import { EVENT_EXCHANGE } from '../amqp/topology.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { LaneStep } from './ordered-lanes.ts'
import type { OutboxEvent } from './outbox-events.sql.ts'
import type { Removals } from './removals.ts'

export interface PublishContext {
  publisher: Pick<Publisher, 'publish'>
  removals: Removals
  metrics: Metrics
}

/**
 * Publishes the event and has its row removed once it is confirmed. `give up` where that is in doubt: the event, and
 * those of its request behind it, are to be read again.
 */
export function publishEvent(context: PublishContext, event: OutboxEvent): Promise<LaneStep> {
  const startedAt = performance.now()
  // Without async and await: this runs for every event, and each would cost it two more promises.
  return context.publisher.publish(messageOf(event)).then(
    () => confirmed(context, event, performance.now() - startedAt),
    (error: unknown) => notConfirmed(context, event, error),
  )
}

function messageOf(event: OutboxEvent): OutgoingMessage {
  return {
    exchange: EVENT_EXCHANGE,
    routingKey: event.routingKey,
    body: event.body,
    mandatory: true,
    properties: {
      messageId: event.id,
      type: event.type,
      contentType: 'application/cloudevents+json',
      deliveryMode: 2,
      ...(event.correlationId === null ? {} : { correlationId: event.correlationId }),
    },
  }
}

function confirmed({ removals, metrics }: PublishContext, event: OutboxEvent, confirmMs: number): LaneStep {
  reached('outbox.confirmed')
  metrics.outbox.published.inc()
  metrics.outbox.confirmSeconds.observe(confirmMs / 1000)
  metrics.outbox.delaySeconds.observe((event.ageMs + confirmMs) / 1000)
  removals.confirmed(event.position)
  return 'go on'
}

function notConfirmed({ removals, metrics }: PublishContext, event: OutboxEvent, error: unknown): LaneStep {
  if (!(error instanceof PublishError)) throw error
  if (error.kind !== 'returned' && error.kind !== 'unencodable') {
    if (error.kind === 'nacked') metrics.outbox.nacked.inc()
    if (error.kind === 'unknown') metrics.outbox.unknown.inc()
    return 'give up'
  }
  // No queue is bound for this kind: set aside, so that it does not hold up events that are waited for.
  metrics.outbox.returned.inc()
  removals.returned(event.position)
  return 'go on'
}
