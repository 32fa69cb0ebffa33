import { randomBytes } from 'node:crypto'
import pg from 'pg'

export interface CreatedDatabase {
  readonly url: string
  readonly name: string
  /** Ends the connections to it and removes it. */
  drop(): Promise<void>
}

export interface CreateDatabaseOptions {
  /** Default: a random one. */
  name?: string
  /** An existing database to copy, with no connections to it. */
  template?: string
}

/** Creates a database on the server that `serverUrl` names, whose user must be allowed to. */
export async function createDatabase(
  serverUrl: string,
  { name = `clouddc_${randomBytes(6).toString('hex')}`, template }: CreateDatabaseOptions = {},
): Promise<CreatedDatabase> {
  const copied = template === undefined ? '' : ` TEMPLATE ${pg.escapeIdentifier(template)}`
  await execute(serverUrl, `CREATE DATABASE ${pg.escapeIdentifier(name)}${copied}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return {
    url: url.href,
    name,
    drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
  }
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
