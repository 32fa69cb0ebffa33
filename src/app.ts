import type { Logger } from 'pino'
import { buildApi } from './app/build-api.ts'
import { buildDispatch } from './app/build-dispatch.ts'
import { buildIntake } from './app/build-intake.ts'
import { buildMaintenance } from './app/build-maintenance.ts'
import { buildOperations } from './app/build-operations.ts'
import { buildOutbox } from './app/build-outbox.ts'
import { buildReadiness } from './app/build-readiness.ts'
import { buildReconcile } from './app/build-reconcile.ts'
import { buildCore } from './app/core.ts'
import { createWakeUps } from './app/wake-ups.ts'
import type { Config, Role } from './config.ts'
import { type Service, startAll, stopAll } from './runtime/service.ts'

export interface App {
  start(): Promise<void>
  /** Stops taking work, finishes what is in flight, and lets go of the servers. */
  stop(): Promise<void>
  /** Where the HTTP API listens, once started. */
  url(): string
}

/** A word of another replica may get lost: with its link to the broker, or when it dies. */
const LOOK_EVERY_MS = 2000

export interface AppOptions {
  config: Config
  logger: Logger
  /**
   * How often a loop that has nothing to do looks for work nobody has told it of, in milliseconds, while other replicas
   * are heard. Default 2,000.
   */
  lookEveryMs?: number
}

/**
 * Builds and wires every part by hand, in the order of a request's life. Nothing waits for a server to be up: each
 * part keeps trying by itself, and /readyz reports it.
 */
export function createApp({ config, logger, lookEveryMs = LOOK_EVERY_MS }: AppOptions): App {
  const core = buildCore({
    config,
    logger,
    lookEveryMs,
    onWords: (words) => wakeUps.heard(words),
    onHearing: () => wakeUps.wakeAll(),
    onResigned: () => wakeUps.onResigned(),
  })
  // A step wakes those further on, which are built after it.
  const wakeUps = createWakeUps({
    loops: () => ({
      ...dispatch.loops,
      ...reconcile.loops,
      ...readiness.loops,
      ...outbox.loops,
      ...operations.loops,
    }),
    say: core.say,
    tellReaders: (keys) => api.notify(keys),
    firstPollMs: config.pollMinMs,
  })

  const intake = buildIntake(core, wakeUps)
  const dispatch = buildDispatch(core, wakeUps)
  const reconcile = buildReconcile(core, wakeUps)
  const readiness = buildReadiness(core, wakeUps)
  const outbox = buildOutbox(core)
  const operations = buildOperations(core, wakeUps)
  const api = buildApi(core, wakeUps, operations.api)
  const maintenance = buildMaintenance(core)

  const on = (role: Role, ...parts: { services: Service[] }[]): Service[] =>
    config.roles.has(role) ? parts.flatMap(({ services }) => services) : []

  /** In the order of starting, against the flow, so that the next step is there when one produces work. */
  const services: Service[] = [
    ...core.services,
    ...on('outbox', outbox),
    ...on('readiness', readiness),
    ...on('dispatch', dispatch, reconcile),
    ...on('intake', intake),
    ...on('maintenance', maintenance, operations.runs),
    ...on('api', operations),
    ...api.services,
  ]

  return {
    start: () => startAll(services),
    stop: async () => {
      const giveUp = setTimeout(dispatch.stopRecording, config.shutdownGraceMs * 0.8)
      await stopAll(services).finally(() => clearTimeout(giveUp))
    },
    url: api.url,
  }
}
