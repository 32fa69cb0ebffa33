import { createPublisher } from '../amqp/publisher.ts'
import { createRelay } from '../outbox/relay.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { Loops } from './wake-ups.ts'

interface Outbox {
  services: Service[]
  loops: Loops<'relay'>
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
    idleMs: core.idleMs,
    metrics,
    logger,
  })

  return { services: [publisher, relay], loops: { relay } }
}
