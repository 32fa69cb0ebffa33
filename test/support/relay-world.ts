import { PublishError } from '../../src/amqp/errors.ts'
import type { OutgoingMessage } from '../../src/amqp/message.ts'
import type { Publisher } from '../../src/amqp/publisher.ts'
import type { Database } from '../../src/database/database.ts'
import { createRelay } from '../../src/outbox/relay.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLogger } from './clouddc-client.ts'

/** A publisher whose broker does with each message what `accept` says, at its own pace. */
export function scriptedPublisher(
  accept: (message: OutgoingMessage) => Promise<void>,
): Pick<Publisher, 'send'> {
  return {
    send: (message, settle) => {
      accept(message).then(
        () => settle(null),
        (error: unknown) =>
          settle(error instanceof PublishError ? error : new PublishError('unknown', String(error))),
      )
    },
  }
}

/** A relay that has its duty, on a broker that does with each message what `accept` says. Not started. */
export function createTestRelay({
  database,
  accept = async () => undefined,
  replica = {},
  window = 100,
  logger = silentLogger,
  metrics = createMetrics(),
}: {
  database: Database
  accept?: (message: OutgoingMessage) => Promise<void>
  replica?: Partial<Replica>
  window?: number
  logger?: typeof silentLogger
  metrics?: ReturnType<typeof createMetrics>
}) {
  return createRelay({
    database,
    publisher: scriptedPublisher(accept),
    brokerReady: () => true,
    replica: {
      name: 'replica',
      start: async () => undefined,
      stop: async () => undefined,
      id: () => 'replica',
      holdsLease: () => true,
      holdDuty: async () => true,
      ...replica,
    },
    window,
    metrics,
    logger,
  })
}
