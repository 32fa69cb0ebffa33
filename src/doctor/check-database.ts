import type { Database } from '../database/database.ts'
import { sqlState } from '../database/errors.ts'
import { pendingMigrations } from '../database/migrate.ts'
import { findMissingRights, WRITING } from '../database/missing-rights.sql.ts'
import { coerceError } from '../runtime/errors.ts'
import { LIVE_REPLICAS, THE_SERVER } from './ask-database.sql.ts'
import { type Finding, type Found, fault, isSound, look, ok, skipped, warning } from './finding.ts'
import { unreached } from './unreached.ts'

const TESTED_VERSION = 18
const FAR_MS = 60_000

interface ServerFacts {
  version: string
  role: string
  database: string
  standby: boolean
  encrypted: boolean
  /** Milliseconds since 1970. */
  time: number
}

/** Whether the database can be reached and used, one thing after the other. */
export async function checkDatabase(database: Database, url: string): Promise<Finding[]> {
  const reached = await look('database', () => checkServer(database, url))
  const whenReached = (work: () => Promise<Found>) => () =>
    isSound(reached) ? work() : skipped('the database is not reached')
  const migrations = await look(
    'migrations',
    whenReached(() => checkMigrations(database)),
  )
  const whenMigrated = (work: () => Promise<Found>) => () =>
    isSound(migrations) ? work() : skipped('the tables are not there')
  return [
    reached,
    migrations,
    await look(
      'rights',
      whenMigrated(() => checkRights(database)),
    ),
    await look(
      'replicas',
      whenMigrated(() => checkReplicas(database)),
    ),
  ]
}

async function checkServer(database: Database, url: string): Promise<Found> {
  const askedAt = Date.now()
  let facts: ServerFacts | undefined
  try {
    // Not through Prisma, which keeps the driver's own error to itself.
    ;[facts] = await database.query<ServerFacts>(THE_SERVER)
  } catch (error) {
    return unreachable(coerceError(error), url)
  }
  if (facts === undefined)
    return fault('PostgreSQL says nothing of itself', 'check what DATABASE_URL leads to')
  const { version, role, database: name, standby, encrypted, time } = facts
  const words = `PostgreSQL ${version} at ${placeOf(url)}, database ${name}, role ${role}, ${encrypted ? 'encrypted' : 'not encrypted'}`
  if (standby)
    return fault(`${words}; it is a standby and takes no writes`, 'name the primary in DATABASE_URL')
  const offMs = time - (askedAt + Date.now()) / 2
  if (Math.abs(offMs) > FAR_MS)
    return warning(
      `${words}; its clock is ${Math.round(Math.abs(offMs) / 1000)} s ${offMs > 0 ? 'ahead of' : 'behind'} this machine's`,
      'set both clocks right (NTP): deadlines go by that of the database',
    )
  if (Number.parseInt(version, 10) < TESTED_VERSION)
    return warning(words, `it is developed and tested with version ${TESTED_VERSION}`)
  return ok(words)
}

function unreachable(error: Error & { code?: unknown }, url: string): Found {
  const at = placeOf(url)
  const found = unreached(error, {
    what: 'PostgreSQL',
    at,
    settings: 'DATABASE_URL',
    caSetting: 'DATABASE_CA_FILE',
  })
  if (found !== null) return found
  const role = decodeURIComponent(URL.parse(url)?.username ?? '')
  switch (sqlState(error)) {
    case '28P01':
      return fault(
        `PostgreSQL refuses the password of role ${role}`,
        'check user and password in DATABASE_URL',
      )
    case '28000':
      return fault(
        `PostgreSQL lets role ${role} in neither from here nor so (${error.message})`,
        'check the role, and the lines of pg_hba.conf: address, database, TLS',
      )
    case '3D000':
      return fault(
        `there is no database ${URL.parse(url)?.pathname.slice(1)} at ${at}`,
        'create it (CREATE DATABASE), then npm run migrate; or correct DATABASE_URL',
      )
    case '42501':
      return fault(`role ${role} may not connect: ${error.message}`, 'GRANT CONNECT ON DATABASE')
    case '53300':
      return fault('PostgreSQL has no connection left', 'raise max_connections, or lower DATABASE_POOL_SIZE')
    case '57P03':
      return fault('PostgreSQL is starting or recovering', 'wait for it, and run this again')
  }
  if (/does not support SSL/i.test(error.message))
    return fault(`PostgreSQL at ${at} has no TLS`, 'turn it on there (ssl = on), or write sslmode=disable')
  return fault(`PostgreSQL at ${at}: ${error.message}`, 'check DATABASE_URL')
}

async function checkMigrations(database: Database): Promise<Found> {
  const pending = await pendingMigrations(database)
  if (pending.length === 0) return ok('all applied')
  return fault(`not applied: ${pending.join(', ')}`, 'npm run migrate')
}

async function checkRights(database: Database): Promise<Found> {
  const missing = await findMissingRights(database, WRITING)
  if (missing.length === 0) return ok('the role may read and write every table')
  return fault(
    `the role lacks ${missing.join('; ')}`,
    'npm run migrate -- --grant <role>, for the role of DATABASE_URL',
  )
}

async function checkReplicas(database: Database): Promise<Found> {
  const [row] = await database.throughPrisma.query<{ replicas: number }>(LIVE_REPLICAS)
  const replicas = row?.replicas ?? 0
  if (replicas > 0) return ok(`${replicas} of the service ${replicas === 1 ? 'is' : 'are'} running`)
  return warning('none of the service is running', 'npm start; until then orders wait in the queue')
}

/** Host, port and name of the database, and nothing else of the URL. */
function placeOf(url: string): string {
  const { hostname, port } = new URL(url)
  return `${hostname || 'its socket'}:${port || '5432'}`
}
