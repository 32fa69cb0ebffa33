import { createReconciler } from '../reconcile/reconciler.ts'
import { createRescuer, OVERDUE_MS } from '../reconcile/rescuer.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { Loops, WakeUps } from './wake-ups.ts'

interface Reconcile {
  services: Service[]
  loops: Loops<'rescuer' | 'reconciler'>
}

/** Calls of unknown outcome to adopted, void, or a person's decision. */
export function buildReconcile(core: Core, { onEvents, onSettled }: WakeUps): Reconcile {
  const { config, logger, metrics, database, replica, client, firstLookMs } = core

  const rescuer = createRescuer({
    database,
    replica,
    firstLookMs,
    overdueMs: Math.max(OVERDUE_MS, 2 * config.callTimeoutMs),
    idleMs: core.idleMs,
    metrics,
    logger,
    onSettled,
  })
  const reconciler = createReconciler({
    database,
    client,
    replica,
    installation: core.installation,
    credentials: core.credentials,
    settleMs: config.reconcileSettleMs,
    maxAttempts: config.maxAttempts,
    pollTimes: core.pollTimes,
    adaptive: config.rateAdaptive,
    intervalMs: config.reconcileIntervalMs,
    idleMs: core.idleMs,
    metrics,
    logger,
    onSettled,
    onEvents,
  })

  return { services: [rescuer, reconciler], loops: { rescuer, reconciler } }
}
