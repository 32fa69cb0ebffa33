import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'
import { migrate, pendingMigrations, schemaDrift } from '../../src/database/migrate.ts'
import { createTestDatabase } from '../support/database.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folders: string[] = []

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true })
})

/** The project's migrations, and one more. */
async function migrationsWith(name: string, sql: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'clouddc-migrations-'))
  folders.push(folder)
  await cp(join(root, 'prisma/migrations'), folder, { recursive: true })
  await mkdir(join(folder, name))
  await writeFile(join(folder, name, 'migration.sql'), sql)
  return folder
}

function runMain(environment: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, 'src/migrate-main.ts')],
      { env: { ...inheritedEnvironment(), ...environment }, cwd: tmpdir() },
      (error, stdout, stderr) => resolve({ code: Number(error?.code ?? 0), output: stdout + stderr }),
    )
  })
}

describe('migrate', () => {
  test('applies all migrations once when many come at the same time', async () => {
    await using database = await createTestDatabase({ empty: true })
    const pending = await pendingMigrations(database)
    expect(pending.length).toBeGreaterThan(0)

    const results = await Promise.all([1, 2, 3, 4].map(() => migrate({ databaseUrl: database.url })))

    expect(results.flatMap(({ applied }) => applied)).toEqual(pending)
    expect(await pendingMigrations(database)).toEqual([])
  })

  test('does nothing to a database that is up to date', async () => {
    await using database = await createTestDatabase()
    expect(await migrate({ databaseUrl: database.url })).toEqual({ applied: [] })
  })

  test('leaves nothing of a migration that fails, and names it until it is resolved', async () => {
    await using database = await createTestDatabase()
    const name = '29990101000000_break'
    const migrationsDir = await migrationsWith(name, 'CREATE TABLE half (id int);\nSELECT no_such_column;')

    await expect(migrate({ databaseUrl: database.url, migrationsDir })).rejects.toThrow('no_such_column')

    expect(await database.query("SELECT 1 FROM pg_tables WHERE tablename = 'half'")).toEqual([])
    expect(await pendingMigrations(database, migrationsDir)).toEqual([name])
    await expect(migrate({ databaseUrl: database.url, migrationsDir })).rejects.toThrow(name)
  })

  test('runs a migration whose comments, strings and functions hold semicolons', async () => {
    await using database = await createTestDatabase()
    const migrationsDir = await migrationsWith(
      '29990101000000_create_function',
      `-- first; then
       CREATE FUNCTION two_steps() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN 'a;b'; END $$;`,
    )
    await migrate({ databaseUrl: database.url, migrationsDir })
    expect(await database.query('SELECT two_steps() AS result')).toEqual([{ result: 'a;b' }])
  })

  test('goes on when an applied migration was changed since, as Prisma does in deployment', async () => {
    await using database = await createTestDatabase()
    const migrationsDir = await migrationsWith('29990101000000_add', 'CREATE TABLE added (id int);')
    await migrate({ databaseUrl: database.url, migrationsDir })
    await writeFile(
      join(migrationsDir, '29990101000000_add', 'migration.sql'),
      'CREATE TABLE added (id bigint);',
    )
    expect(await migrate({ databaseUrl: database.url, migrationsDir })).toEqual({ applied: [] })
  })
})

describe('schemaDrift', () => {
  test('finds none between the migrations and schema.prisma', async () => {
    await using database = await createTestDatabase()
    expect(await schemaDrift(database.url)).toBe('')
  })

  test('shows what differs', async () => {
    await using database = await createTestDatabase()
    await database.query('ALTER TABLE instance DROP COLUMN name')
    await database.query('ALTER TABLE look ADD COLUMN odd int')
    const drift = await schemaDrift(database.url)
    expect(drift).toContain('ADD COLUMN     "name" TEXT')
    expect(drift).toContain('DROP COLUMN "odd"')
  })
})

describe('npm run migrate', () => {
  test('migrates the database of DATABASE_URL, and of the file that DATABASE_URL_FILE names', async () => {
    await using database = await createTestDatabase({ empty: true })
    const first = await runMain({ DATABASE_URL: database.url })
    expect(first).toEqual({ code: 0, output: expect.stringContaining('the database is up to date') })
    expect(await pendingMigrations(database)).toEqual([])

    const folder = await mkdtemp(join(tmpdir(), 'clouddc-migrations-'))
    folders.push(folder)
    await writeFile(join(folder, 'url'), `${database.url}\n`)
    const second = await runMain({ DATABASE_URL_FILE: join(folder, 'url') })
    expect(second).toEqual({ code: 0, output: 'migrate: the database is up to date\n' })
  })

  test.each([
    ['without DATABASE_URL', {}, 'DATABASE_URL: is required'],
    ['with two', { DATABASE_URL: 'postgres://a/b', DATABASE_URL_FILE: '/x' }, 'given twice'],
    [
      'with a file that is not there',
      { DATABASE_URL_FILE: '/nowhere/url' },
      'cannot read /nowhere/url (ENOENT)',
    ],
    ['with another scheme', { DATABASE_URL: 'mysql://secret@a/b' }, 'must be a URL with postgres://'],
  ])('exits with 78 %s', async (_, environment, message) => {
    const { code, output } = await runMain(environment)
    expect(code).toBe(78)
    expect(output).toContain(message)
    expect(output).not.toContain('secret')
  })

  test('names the setting with the fault, also where the address has authorities beside it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clouddc-migrations-'))
    folders.push(folder)
    const authority = join(folder, 'ca.pem')
    await writeFile(authority, rootCertificates[0] ?? '')
    const wrongMode = 'postgres://secret@a/b?sslmode=strict'
    for (const [environment, fault] of [
      [{ MIGRATE_DATABASE_URL: wrongMode, DATABASE_CA_FILE: authority }, '  MIGRATE_DATABASE_URL: '],
      [{ DATABASE_URL: wrongMode, DATABASE_CA_FILE: authority }, '  DATABASE_URL: '],
      [{ DATABASE_URL: 'postgres://secret@a/b', DATABASE_CA_FILE: '/nowhere/ca' }, '  DATABASE_CA_FILE: '],
    ] as const) {
      const { code, output } = await runMain(environment)
      expect(code).toBe(78)
      expect(output).toContain(fault)
      expect(output).not.toContain('secret')
    }
  })
})
