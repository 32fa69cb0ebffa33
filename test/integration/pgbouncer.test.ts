import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'
import { findPgbouncer, type Pgbouncer, startPgbouncer } from '../../dev/servers/local-pgbouncer.ts'
import { createDatabase, type Database } from '../../src/database/database.ts'
import { SESSION_SETTINGS } from '../../src/database/pool.ts'
import { createAppWorld } from '../support/app-world.ts'
import { createTestDatabase } from '../support/database.ts'

const program = findPgbouncer()
const REMEDY = program === undefined ? ' (skipped without it: apt-get install pgbouncer)' : ''

describe.skipIf(program === undefined)(`behind pgbouncer in session mode${REMEDY}`, () => {
  let pooler: Pgbouncer
  beforeAll(async () => {
    pooler = await startPgbouncer(program ?? '', inject('servers').databaseUrl ?? '')
  })
  afterAll(() => pooler?.stop())

  const open = (url: string, poolSize = 3): Database => {
    const database = createDatabase({
      url: pooler.through(url),
      poolSize,
      logger: pino({ level: 'silent' }),
      statementTimeoutMs: 7000,
    })
    onTestFinished(database.close)
    return database
  }

  test('npm run migrate works, for many at once', async () => {
    await using created = await createTestDatabase({ empty: true })
    const migrate = () =>
      promisify(execFile)('npm', ['run', '--silent', 'migrate'], {
        env: {
          ...inheritedEnvironment(),
          HOME: process.env.HOME,
          DATABASE_URL: pooler.through(created.url),
        },
      })
    const runs = await Promise.all([migrate(), migrate()])
    for (const { stdout } of runs) expect(stdout).toContain('the database is up to date')
    expect(await created.query('SELECT 1 FROM provision_request')).toEqual([])
    expect((await migrate()).stdout).toContain('migrate: the database is up to date')
  })

  test('every connection has its settings, also one that had another client before', async () => {
    await using created = await createTestDatabase()
    const names = [...Object.keys(SESSION_SETTINGS), 'statement_timeout']
    const text = `SELECT name, setting, source FROM pg_settings WHERE name = ANY($1::text[])`
    for (let client = 1; client <= 3; client += 1) {
      const database = open(created.url)
      const allHeld = Promise.withResolvers<void>()
      let held = 0
      const settingsOfEach = await Promise.all(
        [1, 2, 3].map(() =>
          database.transaction(async (sql) => {
            held += 1
            if (held === 3) allHeld.resolve()
            await allHeld.promise
            return sql.query<{ name: string; setting: string; source: string }>(text, names)
          }),
        ),
      )
      for (const rows of settingsOfEach) {
        const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))
        const wanted = { ...SESSION_SETTINGS, statement_timeout: 7000 }
        expect(settings).toEqual(
          Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, String(value)])),
        )
        expect(new Set(rows.map((row) => row.source))).toEqual(new Set(['session']))
      }
      await database.close()
    }
  })

  test('prepared statements, transactions and plain reads work side by side', async () => {
    await using created = await createTestDatabase()
    const database = open(created.url)
    const text = 'SELECT $1::int + $2::int AS sum'
    const sums = Array.from({ length: 30 }, async (_, index) => {
      const [own] = await database.query<{ sum: number }>(text, index, 1)
      const [held] = await database.transaction((sql) => sql.query<{ sum: number }>(text, index, 2))
      return [own?.sum, held?.sum, await database.prisma.provisionRequest.count()]
    })
    expect(await Promise.all(sums)).toEqual(sums.map((_, index) => [index + 1, index + 2, 0]))
  })

  test('an order runs to its end', async () => {
    const world = await createAppWorld()
    onTestFinished(() => world.close())
    await world.startApp({ DATABASE_URL: pooler.through(world.database.url) })
    const key = await world.order({ project_id: world.newProject() })
    expect((await world.ended(key)).state).toBe('running')
  })
})
