import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { inheritedEnvironment } from '../../dev/inherited-environment.ts'
import { sqlState } from '../../src/database/errors.ts'
import { type AppWorld, createAppWorld, type RunningApp } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const INSUFFICIENT_PRIVILEGE = '42501'
const MIGRATE = fileURLToPath(new URL('../../src/migrate-main.ts', import.meta.url))
const suffix = randomBytes(4).toString('hex')
const [service, api] = [`service-${suffix}`, `api "${suffix}"`]

let world: AppWorld
let app: RunningApp

const urlOf = (role: string) => {
  const url = new URL(world.database.url)
  url.username = encodeURIComponent(role)
  url.password = 'secret'
  return url.href
}

/** As the role sees it: null where it may, else the SQLSTATE. */
async function refusal(role: string, text: string): Promise<string | null | undefined> {
  const client = new pg.Client({ connectionString: urlOf(role) })
  await client.connect()
  try {
    await client.query(`BEGIN; ${text}; ROLLBACK`)
    return null
  } catch (error) {
    return sqlState(error)
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  world = await createAppWorld()
  for (const role of [service, api])
    await world.database.query(`CREATE ROLE ${pg.escapeIdentifier(role)} LOGIN PASSWORD 'secret'`)
  const environment = {
    ...inheritedEnvironment(),
    MIGRATE_DATABASE_URL: world.database.url,
    DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/x',
  }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [MIGRATE, '--grant', service, '--grant-api', api],
    { env: environment },
  )
  expect(stdout).toContain('is up to date')
  app = await world.startApp({ DATABASE_URL: urlOf(service) })
})
afterAll(async () => {
  await world.close()
  const client = new pg.Client({ connectionString: inject('servers').databaseUrl })
  await client.connect()
  for (const role of [service, api]) await client.query(`DROP ROLE ${pg.escapeIdentifier(role)}`)
  await client.end()
})

/** What it says and how it ends, as the role of the address. */
async function granting(role: string, databaseUrl: string) {
  const environment = { ...inheritedEnvironment(), DATABASE_URL: databaseUrl }
  const run = promisify(execFile)(process.execPath, [MIGRATE, '--grant', role], { env: environment })
  return run.then(
    () => ({ code: 0, stderr: '', stdout: '' }),
    (error: { code: number; stderr: string; stdout: string }) => error,
  )
}

test('a role that is not there is named, with what to do; the migrations stay', async () => {
  const { code, stderr, stdout } = await granting(`no-${suffix}`, world.database.url)
  expect([code, stdout]).toEqual([1, expect.stringContaining('is up to date')])
  expect(stderr).toBe(
    `migrate: there is no role no-${suffix}: CREATE ROLE "no-${suffix}" LOGIN, then run this again\n`,
  )
})

test('only who owns the tables gives rights on them; others are told who that is', async () => {
  const { code, stderr, stdout } = await granting(api, urlOf(service))
  expect([code, stdout]).toEqual([1, expect.not.stringContaining('has the rights')])
  const owner = new URL(world.database.url).username
  expect(stderr).toBe(
    `migrate: ${service} may not give rights: run this as ${owner}, which owns the tables (MIGRATE_DATABASE_URL)\n`,
  )
  expect(await refusal(api, 'DELETE FROM claim')).toBe(INSUFFICIENT_PRIVILEGE)
})

describe('the role of the service', () => {
  test('carries a request from its message to its last event', async () => {
    const key = await world.order({ project_id: world.newProject() })
    await world.allEventsOf(key)
    expect((await world.statusOf(key)).state).toBe('running')
    expect(app.log()).not.toContain('permission denied')
    expect(app.log()).not.toContain('lacks rights')
  })

  test.each([
    'CREATE TABLE public.own ()',
    'ALTER TABLE provision_request ADD COLUMN own int',
    'DROP TABLE claim',
    'TRUNCATE claim',
    "UPDATE _prisma_migrations SET checksum = 'x'",
  ])('may not: %s', async (text) => {
    expect(await refusal(service, text)).toBe(INSUFFICIENT_PRIVILEGE)
  })

  test('has its rights on tables that a later migration makes', async () => {
    await world.database.query('CREATE TABLE later (id bigserial, note text)')
    expect(await refusal(service, "INSERT INTO later (note) VALUES ('x'); DELETE FROM later")).toBeNull()
    expect(await refusal(api, 'SELECT note FROM later')).toBeNull()
    expect(await refusal(api, "INSERT INTO later (note) VALUES ('x')")).toBe(INSUFFICIENT_PRIVILEGE)
    await world.database.query('DROP TABLE later')
  })
})

describe('the role of the API alone', () => {
  test('reads and cancels', async () => {
    await app.stop()
    const intake = await world.startApp({ DATABASE_URL: urlOf(service), ROLES: 'intake,outbox' })
    const key = await world.order({ project_id: world.newProject() })
    const reader = await world.startApp({ DATABASE_URL: urlOf(api), ROLES: 'api' })
    const path = `${reader.url}${world.pathOf(key)}`
    await eventually(async () => expect(await (await fetch(path)).json()).toMatchObject({ state: 'queued' }))
    const reply = await fetch(`${path}/cancel`, { method: 'POST' })
    expect(reply.status).toBe(202)
    await eventually(() => expect(world.kindsOf(key)).toContain('request.completed'))
    for (const path of [
      `${world.pathOf(key)}/history`,
      `/v1/${key.projectId}/provision-requests`,
      '/metrics',
    ])
      expect((await fetch(`${reader.url}${path}`)).status, path).toBe(200)
    expect(reader.log()).not.toContain('permission denied')
    expect(reader.log()).not.toContain('lacks rights')
    const replay = await fetch(`${reader.url}/operations/dead-letters/replay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code: 'invalid_json', max: 1, per_second: 1, reason: 'to see what it says' }),
    })
    expect([replay.status, await replay.json()]).toEqual([
      503,
      expect.objectContaining({
        code: 'database_rights',
        detail: 'the run could not be stored: the database role of this replica lacks the right',
      }),
    ])
    await reader.stop()
    await intake.stop()
  })

  test.each([
    'DELETE FROM provision_request',
    "UPDATE provision_request SET spec = ''",
    'UPDATE provision_request SET instance_ids = ARRAY[]::text[]',
    'INSERT INTO claim SELECT * FROM claim',
    'UPDATE rate_bucket SET tokens = 1',
    'DELETE FROM outbox_segment',
    "INSERT INTO outbox_segment (rejections) VALUES ('[]')",
    'UPDATE instance SET server_id = NULL',
    'DELETE FROM replica',
    'TRUNCATE provision_request',
    'CREATE TABLE public.own ()',
  ])('may not: %s', async (text) => {
    expect(await refusal(api, text)).toBe(INSUFFICIENT_PRIVILEGE)
  })

  test('does not make a service ready that needs more, and the start tells why', async () => {
    const lacking = await world.startApp({ DATABASE_URL: urlOf(api) }, { waitUntilReady: false })
    await eventually(() => expect(lacking.log()).toContain('the database role lacks rights'))
    await eventually(async () => {
      const reply = await fetch(`${lacking.url}/readyz`)
      const { detail } = (await reply.json()) as { detail: string }
      expect([reply.status, detail]).toEqual([503, expect.stringContaining('UPDATE on claim')])
    })
    await lacking.stop()
  })
})
