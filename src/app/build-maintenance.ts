import { createForecaster } from '../forecast/forecaster.ts'
import { restorePolls } from '../readiness/restore-polls.sql.ts'
import { createRetention } from '../retention/retention.ts'
import type { Service } from '../runtime/service.ts'
import { createPromiseWatch } from '../watch/promise-watch.ts'
import type { Core } from './core.ts'

/** Deletes what ended long ago, watches promises that no other step checks, and computes what is to be expected. */
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
  const promiseWatch = createPromiseWatch({
    database,
    replica,
    brokerReady,
    restorePolls: (requestIds) => restorePolls(database, requestIds),
    metrics,
    logger,
  })

  const forecaster = createForecaster({ database, replica, metrics, logger })

  return { services: [retention, promiseWatch, forecaster] }
}
