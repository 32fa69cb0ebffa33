import { type Channel, type ChannelModel, connect } from 'amqplib'
import pg from 'pg'
import { declareTopology } from '../../src/amqp/topology.ts'
import { migrate } from '../../src/database/migrate.ts'
import { createRunFolder, type RunFolder } from '../servers/run-folder.ts'
import { type Servers, startServers } from '../servers.ts'

export const EVENT_QUEUE = 'bench.events'

/** The servers of a bench run, and fresh worlds on them. */
export interface Bench {
  readonly folder: RunFolder
  readonly profileFolder: string | null
  readonly servers: Servers
  /** Server versions, for the report. */
  readonly versions: Readonly<Record<string, string>>
  /** `template` is a database to copy; by default one that this checkout has migrated. */
  createWorld(options?: { template?: string }): Promise<World>
  /** Counts every statement from now on; false where the server cannot be told to. Restarts PostgreSQL. */
  countStatements(): Promise<boolean>
  stop(): Promise<void>
}

/** A migrated, empty database, and a virtual host with the service's topology and one queue for all events. */
export interface World {
  readonly databaseUrl: string
  readonly amqpUrl: string
  readonly pool: pg.Pool
  readonly broker: ChannelModel
  readonly channel: Channel
  close(): Promise<void>
}

export async function startBench(options: {
  log: (line: string) => void
  profileFolder: string | null
}): Promise<Bench> {
  const { log, profileFolder } = options
  const folder = createRunFolder()
  const servers = await startServers({ log, durable: true }).catch(async (error: unknown) => {
    await folder.remove()
    throw error
  })
  const stop = async () => {
    await servers.stop()
    await folder.remove()
  }
  try {
    const template = await servers.createDatabase({ name: `bench_template_${process.pid}` })
    await migrate({ databaseUrl: template.url })
    const versions = await readVersions(servers)
    let counting: boolean | undefined
    return {
      folder,
      profileFolder,
      servers,
      versions,
      createWorld: (options) => createWorld(servers, options?.template ?? template.name),
      countStatements: async () => {
        counting ??= await preloadStatementStatistics(servers)
        return counting
      },
      stop: async () => {
        if (servers.kind.postgres === 'given') await template.drop()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function createWorld(servers: Servers, template: string): Promise<World> {
  const [database, vhost] = await Promise.all([servers.createDatabase({ template }), servers.createVhost()])
  const pool = new pg.Pool({ connectionString: database.url, max: 4 })
  pool.on('error', () => undefined)
  const broker = await connect(vhost.url)
  broker.on('error', () => undefined)
  await declareTopology(async (_what, declare) => {
    const channel = await broker.createChannel()
    const answer = await declare(channel)
    await channel.close()
    return answer
  })
  const channel = await broker.createChannel()
  // A subscriber's ordinary queue: durable, and bound to every event, so that none is unroutable.
  await channel.assertQueue(EVENT_QUEUE, { durable: true })
  await channel.bindQueue(EVENT_QUEUE, 'provision.events', '#')
  return {
    databaseUrl: database.url,
    amqpUrl: vhost.url,
    pool,
    broker,
    channel,
    close: async () => {
      for (const queue of [EVENT_QUEUE, 'provision.requests', 'provision.requests.dead']) {
        await channel.deleteQueue(queue)
      }
      await broker.close()
      await pool.end()
      await database.drop()
      await vhost.drop()
    },
  }
}

async function preloadStatementStatistics(servers: Servers): Promise<boolean> {
  if (servers.kind.postgres === 'given') return false
  const client = new pg.Client({ connectionString: servers.databaseUrl })
  await client.connect()
  await client.query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
  await client.end()
  await servers.restartPostgres()
  return true
}

async function readVersions(servers: Servers): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: servers.databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version')
  await client.end()
  const broker = await connect(servers.amqpUrl)
  const rabbitmq = (broker.connection as { serverProperties?: { version?: string } }).serverProperties
    ?.version
  await broker.close()
  return {
    node: process.versions.node,
    postgres: rows[0]?.server_version ?? 'unknown',
    rabbitmq: rabbitmq ?? 'unknown',
  }
}
