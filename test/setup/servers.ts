import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { type ServersHandle, startServers } from '../../dev/servers.ts'
import { migrate } from '../../src/database/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    servers: ServersHandle
    /** Databases of this run start with it; the one of exactly this name is migrated and stays unused. */
    databasePrefix: string
  }
}

/** Starts the servers once for all files, with a migrated database for them to copy. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers({ log: (line) => console.log(line) })
  const databasePrefix = `clouddc_test_${randomBytes(4).toString('hex')}`
  try {
    const template = await servers.createDatabase({ name: databasePrefix })
    await migrate({ databaseUrl: template.url })
  } catch (error) {
    await servers.stop()
    throw error
  }
  project.provide('servers', servers.handle)
  project.provide('databasePrefix', databasePrefix)
  return async () => {
    // Private servers and containers take their databases with them.
    if (servers.kind.postgres === 'given') await dropDatabases(servers.databaseUrl, databasePrefix)
    await servers.stop()
  }
}

async function dropDatabases(serverUrl: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    )
    for (const { datname } of rows) {
      await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(datname)} WITH (FORCE)`)
    }
  } finally {
    await client.end()
  }
}
