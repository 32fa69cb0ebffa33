import { createRetention } from '../retention/retention.ts'
import type { Service } from '../runtime/service.ts'
import { createPromiseWatch } from '../watch/promise-watch.ts'
import type { Core } from './core.ts'

/** What ended long ago, and promises that nobody else looks at. */
export function buildMaintenance(core: Core): { services: Service[] } {
  const { config, logger, metrics, database, replica, brokerReady } = core

  const retention = createRetention({
    database,
    replica,
    retentionDays: config.retentionDays,
    idempotencyDays: config.idempotencyDays,
    metrics,
    logger,
  })
  const promiseWatch = createPromiseWatch({ database, replica, brokerReady, metrics, logger })

  return { services: [retention, promiseWatch] }
}
