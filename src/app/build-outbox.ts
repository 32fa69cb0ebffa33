import { createPublisher } from '../amqp/publisher.ts'
import { createRelay } from '../outbox/relay.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'

interface Outbox {
  services: Service[]
  /** There are events to relay. */
  wake(): void
}

/** Events to the broker. */
export function buildOutbox(core: Core): Outbox {
  const { config, logger, metrics, quiet, database, replica, broker, brokerReady } = core

  const publisher = createPublisher({ broker, logger, name: 'events', maxInFlight: config.outboxWindow })
  const relay = createRelay({
    quiet,
    database,
    publisher,
    brokerReady,
    replica,
    window: config.outboxWindow,
    metrics,
    logger,
  })

  return { services: [publisher, relay], wake: relay.wake }
}
