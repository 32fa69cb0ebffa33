import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { createDatabase } from '../../src/database/database.ts'
import { createTestDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { createReconcileWorld, PROJECT } from '../support/reconcile-world.ts'

const created = await createTestDatabase()
const database = createDatabase({ url: created.url, poolSize: 4, logger: pino({ level: 'silent' }) })
afterAll(async () => {
  await database.close()
  await created.drop()
})

/** What the command's connections are called in the database. */
const NAME = 'resolve-command'
/** Well below the 30 s after which an idle connection would end by itself. */
const PATIENCE_MS = 20_000

/** `npm run resolve` with these arguments; rejects when it fails, or is still there PATIENCE_MS after its last word. */
function resolve(...args: string[]) {
  const running = promisify(execFile)('npm', ['run', '--silent', 'resolve', '--', ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DATABASE_URL: `${created.url}?application_name=${NAME}`,
      AMQP_URL: 'amqp://127.0.0.1:9',
      CLOUDDC_ENDPOINT: 'http://127.0.0.1:9',
      SECRET_KEYS: `k:${randomBytes(32).toString('base64')}`,
    },
  })
  const { child } = running
  for (const stream of [child.stdout, child.stderr]) {
    stream?.once('data', () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
      child.once('close', () => clearTimeout(timer))
    })
  }
  return running
}

const connections = () => created.query('SELECT FROM pg_stat_activity WHERE application_name = $1', [NAME])

test('npm run resolve ends when its work is done, and leaves no connection open', async () => {
  const world = await createReconcileWorld(database)
  const { id, requestId } = await world.place()
  world.simulator.faults.add({ kind: 'cut_after', operation: 'RunInstances' })
  await world.dispatch()
  const ids = world.creations().flatMap((call) => call.instance_ids)
  const key = ['--project', PROJECT, '--request', requestId]

  const { stdout } = await resolve(...key, '--adopt', ids.join(','))
  expect(stdout).toContain(`request ${requestId} is provisioning now`)
  expect(await world.request(id)).toMatchObject({ state: 'provisioning', createdCount: 1 })
  await eventually(async () => expect(await connections()).toEqual([]))

  await expect(resolve(...key, '--void')).rejects.toMatchObject({ code: 1, killed: false })
})
