import type { Logger } from 'pino'
import { createBroker } from './amqp/connection.ts'
import { createConsumer } from './amqp/consumer.ts'
import { createPublisher } from './amqp/publisher.ts'
import { REQUEST_QUEUE } from './amqp/topology.ts'
import { cancelRequest } from './api/cancel.ts'
import { createReads } from './api/reads.ts'
import { createApiServer } from './api/server.ts'
import { standingChecks } from './api/standing-checks.ts'
import { createStatusWatcher } from './api/status-watcher.ts'
import { firstLookMs as firstLook } from './attempt/look-schedule.ts'
import { createOutcomeRecorder } from './attempt/outcome-recorder.ts'
import type { SettleRow } from './attempt/settle-attempts.sql.ts'
import { createCallLimits } from './budget/call-limits.ts'
import { syncBuckets } from './budget/sync-buckets.sql.ts'
import { createAuth } from './clouddc/auth.ts'
import { createCloudDcClient } from './clouddc/client.ts'
import { logTarget } from './clouddc/target-log.ts'
import type { Config, Role } from './config.ts'
import { createDatabase } from './database/database.ts'
import { createDispatcher } from './dispatch/dispatcher.ts'
import { createSweeper } from './dispatch/sweeper.ts'
import { createIntake } from './intake/intake.ts'
import { createRequestStore } from './intake/request-store.ts'
import { createStuckDeliveries } from './intake/stuck-deliveries.ts'
import { createParking } from './outbox/parking.ts'
import { createRelay } from './outbox/relay.ts'
import { createReadinessPoller, POLLS_AT_ONCE } from './readiness/readiness-poller.ts'
import { createReconciler, LOOKS_AT_ONCE } from './reconcile/reconciler.ts'
import { createRescuer } from './reconcile/rescuer.ts'
import { createReplica } from './replica/replica.ts'
import { createRetention } from './retention/retention.ts'
import { createQuiet } from './runtime/quiet.ts'
import { type Service, startAll, stopAll } from './runtime/service.ts'
import { createPasswordDigester } from './secrets/digest.ts'
import { mayHoldPassword } from './secrets/password-search.ts'
import { createSealer } from './secrets/seal.ts'
import { addDatabaseFigures } from './telemetry/database-figures.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { createPromiseWatch } from './watch/promise-watch.ts'

/** An attempt in flight for so long under a living replica will never be recorded. */
const OVERDUE_MS = 15 * 60_000

export interface App {
  start(): Promise<void>
  /** Stops taking work, finishes what is in flight, and lets go of the servers. */
  stop(): Promise<void>
  /** Where the HTTP API listens, once started. */
  url(): string
}

/**
 * Builds and wires every part by hand, in the order of a request's way. Nothing waits for a server to be up: each
 * part keeps trying by itself, and /readyz tells.
 */
export function createApp({ config, logger }: { config: Config; logger: Logger }): App {
  const metrics = createMetrics()
  const quiet = createQuiet()
  const readinessShare = config.readinessSharePercent / 100
  const firstLookMs = firstLook(config.reconcileSettleMs)
  const limits = createCallLimits(
    { perSecond: config.rateLimitPerSecond, burst: config.rateLimitBurst },
    config.rateLimitOverrides,
  )
  const on = (role: Role, ...services: Service[]): Service[] => (config.roles.has(role) ? services : [])

  const database = createDatabase({
    url: config.databaseUrl,
    poolSize: config.databasePoolSize,
    logger,
    onError: (kind) => metrics.database.errors.inc({ class: kind }),
  })
  const store = createRequestStore({ database, limitOf: limits.of })
  const sealer = createSealer(config.secretKeys)
  const passwordDigester = createPasswordDigester(config.secretKeys)
  const replica = createReplica({ database, leaseMs: config.leaseMs, metrics, logger })
  const broker = createBroker({ url: config.amqpUrl, logger })
  const brokerReady = () => broker.health().ok
  const target = {
    endpoint: config.clouddcEndpoint,
    token: config.clouddcAuthToken ?? undefined,
    tokenFile: config.clouddcAuthTokenFile ?? undefined,
    logger,
  }
  const client = createCloudDcClient({
    endpoint: target.endpoint,
    auth: createAuth(target),
    callTimeoutMs: config.callTimeoutMs,
    // Neither polls nor listings must wait for one after they have paid, however slow the others are.
    connections: POLLS_AT_ONCE + LOOKS_AT_ONCE,
    logger,
  })

  const reads = createReads({ database })
  const watcher = createStatusWatcher({ reads, logger, waiters: metrics.http.waiters })
  addDatabaseFigures({ metrics, sql: database, logger })
  const api = createApiServer({
    reads,
    cancel: async (key) => {
      const outcome = await cancelRequest(database, key)
      if (outcome === 'cancelled') onEvents([`${key.projectId}/${key.requestId}`])
      return outcome
    },
    servesRequests: config.roles.has('api'),
    watcher,
    metrics,
    logger,
    host: config.host,
    port: config.port,
    checks: standingChecks({ database, brokerHealth: broker.health }),
  })

  const eventPublisher = createPublisher({ broker, logger, name: 'events', maxInFlight: config.outboxWindow })
  const relay = createRelay({
    quiet,
    database,
    publisher: eventPublisher,
    brokerReady,
    replica,
    window: config.outboxWindow,
    metrics,
    logger,
  })
  const parking = createParking({
    database,
    replica,
    unroutableTtlMs: config.unroutableEventTtlMs,
    metrics,
    logger,
    onUnparked: relay.wake,
  })

  /** Requests have changed, with events in the outbox: who waits for either is told. */
  const onEvents = (keys: Iterable<string> = []) => {
    relay.wake()
    watcher.notify(keys)
  }
  const onSettled = (rows: readonly SettleRow[]) => onEvents(rows.flatMap(keysOf))

  const readiness = createReadinessPoller({
    database,
    client,
    pollMinMs: config.pollMinMs,
    pollMaxMs: config.pollMaxMs,
    limits: {
      provisionTimeoutMs: config.provisionTimeoutMs,
      visibilityMs: config.reconcileSettleMs,
      serverWaitMs: config.pollMaxMs,
    },
    readinessShare,
    holdsPassword: (text, { digest, ...owner }) => mayHoldPassword(passwordDigester, text, owner, digest),
    metrics,
    logger,
    onEvents,
  })

  const recording = new AbortController()
  const recorder = createOutcomeRecorder({
    database,
    firstPollMs: config.pollMinMs,
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
    syncLimits: () => syncBuckets(database, limits.buckets.standard, limits.buckets.overrides),
    recorder,
    concurrency: config.dispatchConcurrency,
    callTimeoutMs: config.callTimeoutMs,
    limitOf: limits.of,
    adaptive: config.rateAdaptive,
    readinessShare,
    firstLookMs,
    settleMs: config.reconcileSettleMs,
    metrics,
    logger,
  })
  const wakeQueue = () => {
    dispatcher.wake()
    relay.wake()
  }
  const sweeper = createSweeper({ database, replica, logger, onMoved: wakeQueue })

  const rescuer = createRescuer({
    database,
    replica,
    firstLookMs,
    firstPollMs: config.pollMinMs,
    overdueMs: Math.max(OVERDUE_MS, 2 * config.callTimeoutMs),
    metrics,
    logger,
    onSettled,
  })
  const reconciler = createReconciler({
    database,
    client,
    replica,
    settleMs: config.reconcileSettleMs,
    maxAttempts: config.maxAttempts,
    firstPollMs: config.pollMinMs,
    intervalMs: config.reconcileIntervalMs,
    metrics,
    logger,
    onSettled,
    onEvents,
  })

  const retention = createRetention({
    database,
    replica,
    retentionDays: config.retentionDays,
    idempotencyDays: config.idempotencyDays,
    metrics,
    logger,
  })

  const promiseWatch = createPromiseWatch({ database, replica, brokerReady, metrics, logger })

  const deadLetters = createPublisher({ broker, logger, name: 'dead letters', maxInFlight: 100 })
  const stuckDeliveries = createStuckDeliveries({
    serversFine: () => brokerReady() && !intake.waitsForDatabase(),
    logger,
    metrics: metrics.intake,
  })
  const intake = createIntake({
    quiet,
    store,
    publisher: deadLetters,
    sealer,
    passwordDigester,
    logger,
    metrics: metrics.intake,
    batchSize: config.intakeBatchSize,
    deliveryLimit: config.deliveryLimit,
    onReceived: stuckDeliveries.received,
    onStored: wakeQueue,
    onEvents: relay.wake,
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

  const services: Service[] = [
    { name: 'database', start: async () => undefined, stop: database.close },
    broker,
    replica,
    { name: 'CloudDC client', start: async () => logTarget(target), stop: client.close },
    ...on('outbox', eventPublisher, relay, parking),
    ...on('readiness', readiness),
    ...on('dispatch', dispatcher, sweeper, rescuer, reconciler),
    ...on('intake', deadLetters, stuckDeliveries, {
      name: 'intake',
      start: consumer.start,
      // Together: the consumer waits for its handlers, and those that wait for a server end only when intake does.
      stop: async () => {
        await Promise.all([consumer.stop(), intake.stop()])
      },
    }),
    ...on('maintenance', retention, promiseWatch),
    api,
  ]

  return {
    start: () => startAll(services),
    stop: async () => {
      // Outcomes that a database stays away from are left to whoever takes the lease over.
      const giveUp = setTimeout(() => recording.abort(), config.shutdownGraceMs * 0.8)
      await stopAll(services).finally(() => clearTimeout(giveUp))
    },
    url: api.url,
  }
}

function keysOf({ events }: SettleRow): string[] {
  return events.map((event) => event.orderingKey)
}
