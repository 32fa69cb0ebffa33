import { createOutcomeRecorder } from '../attempt/outcome-recorder.ts'
import { syncBuckets } from '../budget/sync-buckets.sql.ts'
import { createDispatcher } from '../dispatch/dispatcher.ts'
import { createSweeper } from '../dispatch/sweeper.ts'
import { once } from '../runtime/once.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { Loops, WakeUps } from './wake-ups.ts'

interface Dispatch {
  services: Service[]
  loops: Loops<'dispatcher' | 'sweeper'>
  /** Outcomes that an unreachable database has not taken are left to whoever takes over the lease. */
  stopRecording(): void
}

/** Rows to calls, calls to outcomes. */
export function buildDispatch(core: Core, { onQueued, onSettled, onSurplus }: WakeUps): Dispatch {
  const { config, logger, metrics, quiet, database, replica, client, sealer, limits } = core

  const syncProjects = once(() => syncBuckets(database, limits.buckets, config.rateAdaptive))
  const recording = new AbortController()
  const recorder = createOutcomeRecorder({
    database,
    pollTimes: core.pollTimes,
    metrics,
    logger,
    onRecorded: onSettled,
    signal: recording.signal,
  })
  const dispatcher = createDispatcher({
    quiet,
    database,
    client,
    sealer,
    replica,
    syncLimits: async () => {
      await syncProjects()
      await core.syncCredentials()
    },
    credentials: core.credentials,
    installation: core.installation,
    recorder,
    concurrency: config.dispatchConcurrency,
    callTimeoutMs: config.callTimeoutMs,
    adaptive: config.rateAdaptive,
    readinessShare: core.readinessShare,
    firstLookMs: core.firstLookMs,
    settleMs: config.reconcileSettleMs,
    idleMs: core.idleMs,
    onSurplus,
    metrics,
    logger,
  })
  const sweeper = createSweeper({
    database,
    replica,
    adaptive: config.rateAdaptive,
    logger,
    onMoved: onQueued,
    idleMs: core.idleMs,
  })

  return {
    services: [dispatcher, sweeper],
    loops: { dispatcher: { ...dispatcher, serves: () => config.roles.has('dispatch') }, sweeper },
    stopRecording: () => recording.abort(),
  }
}
