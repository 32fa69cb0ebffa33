import { createOutcomeRecorder } from '../attempt/outcome-recorder.ts'
import { createDispatcher } from '../dispatch/dispatcher.ts'
import { createSweeper } from '../dispatch/sweeper.ts'
import { createPreflight } from '../preflight/preflight.ts'
import { disbelieveReading } from '../preflight/wanted-readings.sql.ts'
import type { Service } from '../runtime/service.ts'
import type { Core } from './core.ts'
import type { Loops, WakeUps } from './wake-ups.ts'

interface Dispatch {
  services: Service[]
  loops: Loops<'dispatcher' | 'preflight' | 'sweeper'>
  /** Outcomes that an unreachable database has not taken are left to whoever takes over the lease. */
  stopRecording(): void
}

/** Rows to calls, calls to outcomes. */
export function buildDispatch(core: Core, wakeUps: WakeUps): Dispatch {
  const { onEvents, onQueued, onSettled, onSurplus, onWantsReading } = wakeUps
  const { config, logger, metrics, quiet, database, replica, client, sealer, limitsInForce } = core

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
      await limitsInForce.sync()
      await core.syncCredentials()
    },
    onChangesIn: limitsInForce.endsIn,
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
    preflight: config.preflight,
    onWantsReading,
    onNotReady: (projectId) => {
      disbelieveReading(database, projectId).catch((error: unknown) => {
        logger.debug({ err: error, projectId }, 'a reading of servers is believed a little longer')
      })
    },
    onSurplus,
    metrics,
    logger,
  })
  const serves = () => config.roles.has('dispatch')
  const preflight = createPreflight({
    database,
    client,
    credentials: core.credentials,
    on: config.preflight,
    adaptive: config.rateAdaptive,
    idleMs: core.idleMs,
    onOpen: () => dispatcher.wake(),
    onEvents,
    metrics,
    logger,
  })
  const sweeper = createSweeper({
    database,
    replica,
    adaptive: config.rateAdaptive,
    metrics,
    logger,
    onMoved: onQueued,
    idleMs: core.idleMs,
  })

  return {
    services: [dispatcher, preflight, sweeper],
    loops: { dispatcher: { ...dispatcher, serves }, preflight: { ...preflight, serves }, sweeper },
    stopRecording: () => recording.abort(),
  }
}
