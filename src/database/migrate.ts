import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { withSchemaEngine as WithSchemaEngine } from './schema-engine.ts'
import { parseDatabaseUrl } from './server-address.ts'

const PRISMA_FOLDER = fileURLToPath(new URL('../../prisma/', import.meta.url))
const MIGRATIONS_FOLDER = join(PRISMA_FOLDER, 'migrations')

/** Not the key of Prisma's engine: that takes its own lock on its own connection, which also excludes its CLI. */
const LOCK_KEY = 7_270_736_901
const LOCK_POLL_MS = 200
const UNDEFINED_TABLE = '42P01'
/** Loaded where it is used: a replica that only checks for pending migrations does not need it. */
const withSchemaEngine: typeof WithSchemaEngine = async (database, work) =>
  (await import('./schema-engine.ts')).withSchemaEngine(database, work)

const ALL_ENTITIES = { externalTables: [], externalEnums: [] }

export interface MigrateOptions {
  databaseUrl: string
  /** Holds one folder per migration. Default: prisma/migrations. */
  migrationsDir?: string
  log?: (line: string) => void
}

/**
 * Applies the migrations that the database does not have yet, and returns their names. Waits while another process
 * migrates. Keeps Prisma's own records: `prisma migrate deploy` agrees with it.
 *
 * @throws when a migration fails, which leaves nothing of it behind, or when an earlier run left one failed
 */
export async function migrate({
  databaseUrl,
  migrationsDir = MIGRATIONS_FOLDER,
  log = () => undefined,
}: MigrateOptions): Promise<{ applied: string[] }> {
  const client = new pg.Client({
    ...parseDatabaseUrl(databaseUrl),
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await lock(client, log)
    const [schema, list] = await Promise.all([readSchema(), readMigrationList(migrationsDir)])
    const { appliedMigrationNames: applied } = await withSchemaEngine({ databaseUrl, schema }, (engine) =>
      engine.applyMigrations({ migrationsList: list, filters: ALL_ENTITIES }),
    )
    for (const name of applied) log(`applied ${name}`)
    return { applied }
  } finally {
    // Ends the session, and with it the lock.
    await client.end().catch(() => undefined)
  }
}

/** Tries again and again instead of waiting inside Postgres: a waiting statement would hold a snapshot. */
async function lock(client: pg.Client, log: (line: string) => void): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [
      LOCK_KEY,
    ])
    if (rows[0]?.locked) return
    if (tries === 0) log('another process is migrating this database: waiting for it')
    await delay(LOCK_POLL_MS)
  }
}

/** Any client that runs a statement and returns its rows. */
export interface QueryRunner {
  query<Row>(text: string): Promise<Row[]>
}

/** Names of the migrations on disk that the database has not finished, oldest first. One cheap statement. */
export async function pendingMigrations(
  database: QueryRunner,
  migrationsDir: string = MIGRATIONS_FOLDER,
): Promise<string[]> {
  const [names, finished] = await Promise.all([migrationNames(migrationsDir), finishedMigrations(database)])
  return names.filter((name) => !finished.has(name))
}

async function finishedMigrations(database: QueryRunner): Promise<Set<string>> {
  try {
    const rows = await database.query<{ migration_name: string }>(
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
    )
    return new Set(rows.map((row) => row.migration_name))
  } catch (error) {
    if (isUndefinedTable(error)) return new Set()
    throw error
  }
}

/** As node-postgres reports it, and as Prisma's client does. */
function isUndefinedTable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code, meta } = error as { code?: unknown; meta?: { code?: unknown } }
  return code === UNDEFINED_TABLE || meta?.code === UNDEFINED_TABLE || error.message.includes(UNDEFINED_TABLE)
}

/**
 * The SQL that would turn a migrated database into what schema.prisma describes: empty when the two agree. What
 * Prisma does not model (CHECKs, partial indexes, storage parameters) does not count.
 */
export async function schemaDrift(databaseUrl: string): Promise<string> {
  const schema = await readSchema()
  const files = [{ path: join(PRISMA_FOLDER, 'schema.prisma'), content: schema }]
  const { stdout } = await withSchemaEngine({ databaseUrl, schema }, (engine) =>
    engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: PRISMA_FOLDER },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: ALL_ENTITIES,
    }),
  )
  return (stdout ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('--'))
    .join('\n')
}

function readSchema(): Promise<string> {
  return readFile(join(PRISMA_FOLDER, 'schema.prisma'), 'utf8')
}

async function migrationNames(migrationsDir: string): Promise<string[]> {
  const entries = await readdir(migrationsDir, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

async function readMigrationList(baseDir: string) {
  const names = await migrationNames(baseDir)
  return {
    baseDir,
    lockfile: {
      path: './migration_lock.toml',
      content: await readFile(join(baseDir, 'migration_lock.toml'), 'utf8').catch(() => null),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok' as const,
            value: await readFile(join(baseDir, path, 'migration.sql'), 'utf8'),
          },
        },
      })),
    ),
  }
}
