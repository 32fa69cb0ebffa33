import type { Logger } from 'pino'
import { createBroadcast } from '../amqp/broadcast.ts'
import { createBroker } from '../amqp/connection.ts'
import { WAKE_UP_EXCHANGE } from '../amqp/topology.ts'
import { createInstallation } from '../attempt/installation.ts'
import { firstLookMs } from '../attempt/look-schedule.ts'
import { createCallLimits } from '../budget/call-limits.ts'
import { createCredentialSync } from '../budget/credential-sync.ts'
import { createLimitsInForce } from '../budget/limits-in-force.ts'
import { createPayingCredentials } from '../budget/paying-credentials.ts'
import { createAuth } from '../clouddc/auth/create-auth.ts'
import { createCredentialBook, fixedCredentials } from '../clouddc/auth/credential-book.ts'
import { regionOf } from '../clouddc/auth/credentials.ts'
import { createSecretWatch } from '../clouddc/auth/secret-watch.ts'
import { createCloudDcClient } from '../clouddc/client.ts'
import { createIamTransport } from '../clouddc/iam/iam-call.ts'
import { cloudDcEndpoint, type Home } from '../clouddc/regions.ts'
import { logTarget } from '../clouddc/target-log.ts'
import type { Config } from '../config.ts'
import { environmentCredential } from '../credential-settings.ts'
import { createDatabase, type Database } from '../database/database.ts'
import { findMissingRights, type NeededRights, READING, WRITING } from '../database/missing-rights.sql.ts'
import { READINGS_AT_ONCE } from '../preflight/preflight.ts'
import { POLLS_AT_ONCE } from '../readiness/readiness-poller.ts'
import { LOOKS_AT_ONCE } from '../reconcile/reconciler.ts'
import { createReplica } from '../replica/replica.ts'
import { createQuiet } from '../runtime/quiet.ts'
import type { IdleMs } from '../runtime/run-loop.ts'
import type { Service } from '../runtime/service.ts'
import { readAuthorities } from '../runtime/tls-files.ts'
import { createPasswordDigester, createPasswordTracer } from '../secrets/digest.ts'
import { createJweBox } from '../secrets/jwe-box.ts'
import { createSealer } from '../secrets/seal.ts'
import { addDatabaseFigures } from '../telemetry/database-figures.ts'
import { createFlowCounter } from '../telemetry/flow-counter.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { readVersion } from './version.ts'

/** What the steps share. */
export type Core = ReturnType<typeof buildCore>

export interface CoreOptions {
  config: Config
  logger: Logger
  /** How often a loop looks for work that nobody has told it of, in milliseconds. */
  lookEveryMs: number
  /** Other replicas have said these words. */
  onWords: (words: readonly string[]) => void
  /** Other replicas are heard from now on, or not any more. */
  onHearing: () => void
  /** This replica has ended its lease. */
  onResigned: () => void
}

/** Builds the links to the servers, and what is counted, limited and sealed alike in every step. */
export function buildCore({ config, logger, lookEveryMs, onWords, onHearing, onResigned }: CoreOptions) {
  const metrics = createMetrics()
  const database = createDatabase({
    url: config.databaseUrl,
    poolSize: config.databasePoolSize,
    logger,
    onError: (kind) => metrics.database.errors.inc({ class: kind }),
  })
  addDatabaseFigures({ metrics, database, logger })
  const replica = createReplica({
    database,
    leaseMs: config.leaseMs,
    label: { version: readVersion(), roles: [...config.roles] },
    metrics,
    logger,
    onResigned,
  })
  const flowCounter = createFlowCounter({ database, metrics, replicaId: replica.id, logger })
  const broker = createBroker({ url: config.amqpUrl, logger })
  const broadcast = createBroadcast({ broker, exchange: WAKE_UP_EXCHANGE, onWords, onHearing, logger })
  const idleMs: IdleMs = (alone) => (broadcast.hears() ? Math.max(alone, lookEveryMs) : alone)

  const book = openBook(config, logger)
  const home: Home = {
    endpoint: config.clouddcEndpoint,
    region: config.clouddcRegion,
    iamEndpoint: config.iamEndpoint,
  }
  const ca = config.clouddcCaFile === null ? undefined : readAuthorities(config.clouddcCaFile)
  const transport = createIamTransport({ ca })
  const auth = createAuth({
    book,
    home,
    transport,
    onFetched: (credential, lifeMs) => {
      metrics.credential.fetched.set({ credential }, Date.now() / 1000)
      metrics.credential.ends.set({ credential }, (Date.now() + lifeMs) / 1000)
    },
    logger,
  })
  const client = createCloudDcClient({
    endpointOf: (projectId) => {
      const credentials = book.known()
      return cloudDcEndpoint(regionOf(credentials, projectId), home, credentials.regions)
    },
    auth,
    callTimeoutMs: config.callTimeoutMs,
    // No reading call may wait for a connection after it has paid, however slow the others are.
    connections: POLLS_AT_ONCE + LOOKS_AT_ONCE + READINGS_AT_ONCE,
    ca,
    logger,
  })

  const limits = createCallLimits({
    standard: { perSecond: config.rateLimitPerSecond, burst: config.rateLimitBurst },
    overrides: config.rateLimitOverrides,
    credentials: config.credentialRateLimits,
  })
  const target = { endpoint: home.endpoint, credentials: config.credentials, logger }
  const neededRights: NeededRights = servesApiAlone(config) ? READING : WRITING
  const services: Service[] = [
    {
      name: 'database',
      start: async () => logMissingRights({ neededRights, database, logger }),
      stop: database.close,
    },
    broker,
    broadcast,
    // It carries out no duty and claims nothing: the API alone needs no right to write.
    ...(servesApiAlone(config) ? [] : [replica, flowCounter]),
    { name: 'CloudDC client', start: async () => logTarget(target), stop: client.close },
    { name: 'IAM client', start: async () => undefined, stop: transport.close },
  ]

  return {
    config,
    logger,
    metrics,
    quiet: createQuiet(),
    database,
    neededRights,
    replica,
    broker,
    say: broadcast.say,
    idleMs,
    brokerReady: () => broker.health().ok,
    client,
    sealer: createSealer(config.secretKeys),
    jweBox: createJweBox(config.secretKeys),
    passwordDigester: createPasswordDigester(config.digestKeys),
    passwordTracer: createPasswordTracer(config.secretKeys),
    limits,
    limitsInForce: createLimitsInForce({
      database,
      limits,
      credentialOf: auth.credentialOf,
      adaptive: config.rateAdaptive,
    }),
    credentialOf: auth.credentialOf,
    credentials: createPayingCredentials({ database, credentialOf: auth.credentialOf, metrics, logger }),
    syncCredentials: createCredentialSync({
      database,
      book,
      newSecrets: createSecretWatch({ book, logger }),
      limits,
      logger,
    }),
    /** 0..1 of the call budget kept for readiness. */
    readinessShare: config.readinessSharePercent / 100,
    firstLookMs: firstLookMs(config.reconcileSettleMs),
    pollTimes: { firstPollMs: config.pollMinMs, provisionTimeoutMs: config.provisionTimeoutMs },
    installation: createInstallation(database),
    services,
  }
}

function servesApiAlone({ roles }: Config): boolean {
  return [...roles].every((role) => role === 'api')
}

/** Beside the start, which waits for no server. */
function logMissingRights({
  neededRights,
  database,
  logger,
}: {
  neededRights: NeededRights
  database: Database
  logger: Logger
}): void {
  findMissingRights(database, neededRights).then(
    (missing) => {
      if (missing.length === 0) return
      logger.error({ missing }, 'the database role lacks rights: run npm run migrate -- --grant <role>')
    },
    // /readyz tells of a database that is not there.
    () => undefined,
  )
}

function openBook(config: Config, logger: Logger) {
  const { clouddcCredentialsFile: path, clouddcInsecure: insecure, credentials: first } = config
  if (path === null) return fixedCredentials(first)
  return createCredentialBook({ path, first, environment: environmentCredential(config), insecure, logger })
}
