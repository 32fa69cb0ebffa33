import type { Logger } from 'pino'
import { createLoop } from '../runtime/run-loop.ts'
import type { Service } from '../runtime/service.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** A delivery takes seconds at most while database and broker are fine. */
const STUCK_AFTER_MS = 60_000
const CHECK_MS = 5000

export interface StuckDeliveriesOptions {
  /**
   * Whether database and broker are fine, as far as is known: a delivery that waits for an unreachable one is not
   * stuck.
   */
  serversFine: () => boolean
  logger: Logger
  metrics: Metrics['intake']
  /** Monotonic milliseconds. */
  clock?: () => number
}

export interface StuckDeliveries extends Service {
  /** A delivery has come. Call the returned function when it has its disposition. */
  received(): () => void
  /** Counts the deliveries that are stuck now, and logs those that were not before. */
  check(): void
}

/**
 * Watches for deliveries that get no disposition although database and broker are fine: a fault of this program, or a
 * dead-letter queue that takes none. As many as the prefetch halt intake.
 */
export function createStuckDeliveries(options: StuckDeliveriesOptions): StuckDeliveries {
  const { serversFine, logger, metrics, clock = () => performance.now() } = options
  // In order of arrival, so the first is the oldest.
  const inHand = new Set<{ since: number; told: boolean }>()
  let notFineAt = Number.NEGATIVE_INFINITY

  const check = () => {
    const now = clock()
    if (!serversFine()) notFineAt = now
    const waitsFor = ({ since }: { since: number }) => now - Math.max(since, notFineAt)
    const stuck = [...inHand].filter((delivery) => waitsFor(delivery) >= STUCK_AFTER_MS)
    metrics.stuck.set(stuck.length)
    const [oldest] = stuck
    if (oldest === undefined || stuck.every(({ told }) => told)) return
    for (const delivery of stuck) delivery.told = true
    const seconds = Math.round(waitsFor(oldest) / 1000)
    logger.error(
      { deliveries: stuck.length, seconds },
      'deliveries stuck: not acknowledged, though database and broker are fine',
    )
  }

  const loop = createLoop({
    name: 'watch of deliveries',
    logger,
    idleMs: CHECK_MS,
    runOnce: async () => {
      check()
      return { again: false }
    },
  })

  return {
    ...loop,
    check,
    received: () => {
      const delivery = { since: clock(), told: false }
      inHand.add(delivery)
      return () => {
        inHand.delete(delivery)
      }
    },
  }
}
