import type { Logger } from 'pino'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { dropParkedEvents, unparkEvents } from './outbox-events.sql.ts'

const INTERVAL_MS = 1000
const BATCH = 500

export interface ParkingOptions {
  database: Database
  replica: Replica
  /** How long an event that no queue takes is kept. */
  unroutableTtlMs: number
  metrics: Metrics
  logger: Logger
  onUnparked: () => void
}

/**
 * Retries events that no queue took, at growing intervals, and drops them when no queue was bound for that long: they
 * were published to nobody.
 */
export function createParking({
  database,
  replica,
  unroutableTtlMs,
  metrics,
  logger,
  onUnparked,
}: ParkingOptions): Loop {
  return createLoop({
    name: 'event parking',
    logger,
    idleMs: INTERVAL_MS,
    runOnce: async () => {
      if (!(await replica.holdDuty('parking', 5 * INTERVAL_MS))) return { again: false }
      const dropped = await dropParkedEvents(database, unroutableTtlMs, BATCH)
      metrics.outbox.dropped.inc(dropped.length)
      if (dropped.length > 0)
        logger.warn({ events: dropped.length }, 'dropped events that no queue is bound for')
      const unparked = await unparkEvents(database, BATCH)
      if (unparked > 0) onUnparked()
      return Math.max(unparked, dropped.length) >= BATCH ? { again: true } : { again: false }
    },
  })
}
