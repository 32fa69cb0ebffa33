import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CompactEncrypt, importJWK } from 'jose'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type AppWorld, createAppWorld, type RunningApp } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { buildRequest } from '../support/request-builder.ts'

/** Nothing else in the world holds them. */
const CANARY = `Cn9-${randomBytes(9).toString('hex')}`
const PLAIN = `Pl9-${randomBytes(9).toString('hex')}`

let world: AppWorld
let app: RunningApp
beforeAll(async () => {
  world = await createAppWorld()
  app = await world.startApp()
})
afterAll(() => world.close())

/** As a producer does, with the key that the service publishes. */
async function seal(password: string): Promise<string> {
  const { keys } = (await (await fetch(`${world.url()}/.well-known/provisioner-keys`)).json()) as {
    keys: { kid: string; alg: string }[]
  }
  const [jwk] = keys
  if (jwk === undefined) throw new Error('no key is published')
  return new CompactEncrypt(Buffer.from(password))
    .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', kid: jwk.kid })
    .encrypt(await importJWK(jwk, jwk.alg))
}

/** The private broker's files that hold the text; undefined where the broker is not of this machine. */
async function filesOfBrokerWith(text: string): Promise<string[] | undefined> {
  const { virtualHosts } = inject('servers')
  if (virtualHosts?.from !== 'pool') return undefined
  const folder = join(dirname(virtualHosts.claims), 'mnesia')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found: string[] = []
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const bytes = await readFile(path).catch(() => Buffer.alloc(0))
    if (bytes.includes(text)) found.push(path)
  }
  return found
}

test('a sealed password is on no disk of the broker, in no dead letter, and nowhere in the database', async () => {
  const jwe = await seal(CANARY)
  const projectId = world.newProject()
  const order = (request_id: string, spec: Record<string, unknown> = {}) =>
    buildRequest({
      project_id: projectId,
      request_id,
      spec: { password: undefined, password_jwe: jwe, ...spec },
    })
  await app.stop()
  // They wait in the queue, beside one that is plain, to show what can be found.
  await world.publish(order('good'))
  await world.publish(order('conflict'))
  await world.publish(order('invalid', { max_count: 0 }), { messageId: 'invalid' })
  await world.publish(order('both', { password: PLAIN }), { messageId: 'both' })
  await eventually(async () => {
    const plain = await filesOfBrokerWith(PLAIN)
    if (plain !== undefined) expect(plain.length).toBeGreaterThan(0)
  })
  expect(await filesOfBrokerWith(CANARY)).toSatisfy((files) => files === undefined || files.length === 0)

  app = await world.startApp()
  const stored = `SELECT request_id FROM provision_request WHERE request_id = 'conflict'`
  await eventually(async () => expect(await world.database.query(stored)).toHaveLength(1))
  await world.publish(order('conflict', { name: 'other' }), { messageId: 'conflict' })
  for (const messageId of ['conflict', 'invalid', 'both']) {
    const letter = await world.deadLetterOf(messageId)
    const text = `${letter.body} ${JSON.stringify(letter.properties)}`
    for (const secret of [CANARY, PLAIN]) expect(text).not.toContain(secret)
  }
  const key = { projectId, requestId: 'good' }
  await eventually(() => expect(world.kindsOf(key)).toContain('request.completed'))
  const tables = await world.database.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'`,
  )
  for (const { name } of tables) {
    const rows = await world.database.query(`SELECT t::text FROM ${name} t`)
    expect(JSON.stringify(rows), name).not.toContain(CANARY)
  }
  expect(app.log()).not.toContain(CANARY)
  expect(await filesOfBrokerWith(CANARY)).toSatisfy((files) => files === undefined || files.length === 0)
})
