import { createConsumer } from '../amqp/consumer.ts'
import { createPublisher } from '../amqp/publisher.ts'
import { REQUEST_QUEUE } from '../amqp/topology.ts'
import { createIntake } from '../intake/intake.ts'
import { createRequestStore } from '../intake/request-store.ts'
import { createStuckDeliveries } from '../intake/stuck-deliveries.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { WakeUps } from './wake-ups.ts'

/** Deliveries to rows, or to dead letters. */
export function buildIntake(
  core: Core,
  { onQueued, onWantsReading, onEvents }: WakeUps,
): { services: Service[] } {
  const { config, logger, metrics, quiet, database, broker, brokerReady, sealer, jweBox, passwordDigester } =
    core

  const deadLetters = createPublisher({ broker, logger, name: 'dead letters', maxInFlight: 100 })
  const stuckDeliveries = createStuckDeliveries({
    serversFine: () => brokerReady() && !intake.waitsForDatabase(),
    logger,
    metrics: metrics.intake,
  })
  const intake = createIntake({
    quiet,
    store: createRequestStore({
      database,
      limitOf: core.limits.of,
      credentialOf: core.credentialOf,
      onHeld: onWantsReading,
    }),
    publisher: deadLetters,
    sealer,
    jweBox,
    passwords: config.passwords,
    exactDeadLetters: config.deadLetterExact,
    passwordDigester,
    passwordTracer: core.passwordTracer,
    preflight: config.preflight,
    logger,
    metrics: metrics.intake,
    admission: { projects: config.projects, maxOpen: config.maxOpenRequests },
    batchSize: config.intakeBatchSize,
    deliveryLimit: config.deliveryLimit,
    onReceived: stuckDeliveries.received,
    onStored: onQueued,
    onEvents,
    pauseConsuming: () => consumer.pause(),
    resumeConsuming: () => consumer.resume(),
  })
  const consumer = createConsumer({
    broker,
    queue: REQUEST_QUEUE,
    prefetch: config.intakePrefetch,
    handle: intake.handle,
    logger,
  })

  const consuming: Service = {
    name: 'intake',
    start: consumer.start,
    // Together: the consumer waits for its handlers, and those that wait for a server end only when intake does.
    stop: async () => {
      await Promise.all([consumer.stop(), intake.stop()])
    },
  }
  return { services: [deadLetters, stuckDeliveries, consuming] }
}
