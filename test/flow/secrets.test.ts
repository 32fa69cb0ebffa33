import { afterAll, beforeAll, expect, test } from 'vitest'
import { isTerminal } from '../../src/request/provision-request.ts'
import { type AppWorld, AUTH_TOKEN, createAppWorld, type RunningApp } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'
import { buildSpec, CANARY } from '../support/request-builder.ts'

const SECRETS = [CANARY, 'Other-Canary-9', AUTH_TOKEN]
/** As it is, as JSON or a URL would have it, and as bytes are shown. */
const forms = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('hex'),
]

let world: AppWorld
let app: RunningApp
beforeAll(async () => {
  world = await createAppWorld({ settings: { MAX_ATTEMPTS: '1', RECONCILE_SETTLE_MS: '300' } })
  app = await world.startApp()
})
afterAll(() => world.close())

function expectNoSecret(where: string, text: string): void {
  for (const secret of SECRETS) {
    for (const form of forms(secret)) {
      const at = text.indexOf(form)
      expect(at === -1 ? '' : text.slice(Math.max(0, at - 120), at), where).toBe('')
    }
  }
}

/** Every row of every table, as text. */
async function dump(): Promise<string> {
  const tables = await world.database.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'`,
  )
  const rows: string[] = []
  for (const { name } of tables) {
    for (const row of await world.database.query<{ text: string }>(`SELECT t::text FROM ${name} t`)) {
      rows.push(`${name}: ${Object.values(row).join()}`)
    }
  }
  return rows.join('\n')
}

test('no password and no token is ever seen, whatever happens to its request', async () => {
  const project = 'leaky'
  const { faults } = world.simulator
  const operation = 'RunInstances'
  const echo = { error_code: 'iMetal.0001', error_msg: `"${CANARY}" and ${AUTH_TOKEN} are no good` }

  // One after the other, so that each meets the fault meant for it.
  const keys = [await world.order({ project_id: project })]
  await world.ended(keys[0] as (typeof keys)[0])
  for (const fault of [
    { kind: 'error_before', status: 400, body: echo },
    { kind: 'error_before', status: 500, body: echo },
    {
      kind: 'error_after',
      status: 502,
      body: `<html>${CANARY} ${AUTH_TOKEN}</html>`,
      content_type: 'text/html',
    },
    { kind: 'error_after', status: 202, body: `${CANARY}` },
  ] as const) {
    faults.add({ ...fault, operation, project })
    const key = await world.order({ project_id: project })
    keys.push(key)
    await world.ended(key)
  }
  faults.add({ kind: 'boot', boot_ms: 3_600_000, operation, project })
  const failing = await world.order({ project_id: project })
  keys.push(failing)
  const [instance] = await eventually(async () => {
    const { instances } = await world.statusOf(failing)
    expect(instances).toHaveLength(1)
    return instances
  })
  const error = { error_code: 'iMetal.0110', error_msg: `cannot set the password ${CANARY}` }
  const listed = { instances: [{ id: instance?.id, state: 'error', error }] }
  const quoting = faults.add({
    ...{ kind: 'error_before', operation: 'ListInstances', project },
    ...{ status: 200, body: listed, count: null },
  })
  expect((await world.ended(failing)).state).toBe('failed')
  faults.remove(quoting.id)
  const [told] = (await world.statusOf(failing)).instances
  expect(told?.error).toMatchObject({ code: 'iMetal.0110', message: expect.stringContaining('not shown') })

  for (const status of [400, 500]) {
    const body = { error_code: 'APIGW.0301', error_msg: `${AUTH_TOKEN} is no good for ${CANARY}` }
    faults.add({ kind: 'error_before', status, body, operation: 'ListInstances', project })
  }
  keys.push(await world.order({ project_id: project }))

  const rejected: [string, unknown][] = [
    [
      'taken',
      {
        request_id: 'order-1',
        project_id: project,
        spec: buildSpec({ password: 'Other-Canary-9', name: 'other' }),
      },
    ],
    ['weak', { project_id: project, request_id: 'weak', spec: buildSpec({ password: `${CANARY}root` }) }],
    ['typo', { project_id: project, request_id: 'typo', spec: buildSpec({ pasword: CANARY }) }],
    ['key', { project_id: project, request_id: 'key', spec: buildSpec({ [CANARY]: 1 }) }],
    ['array', { project_id: project, request_id: 'array', spec: buildSpec({ password: [CANARY] }) }],
    ['name', { project_id: project, request_id: 'name', spec: buildSpec({ name: CANARY }) }],
    ['cut', Buffer.from(JSON.stringify({ project_id: project, spec: buildSpec() }).slice(0, -3))],
    ['text', Buffer.from(`password=${CANARY}`)],
  ]
  for (const [messageId, body] of rejected) await world.publish(body, { messageId })
  for (const [messageId] of rejected) {
    const { properties, body } = await world.deadLetterOf(messageId)
    expectNoSecret(`dead letter ${messageId}`, `${JSON.stringify(properties)} ${body}`)
  }
  await eventually(async () => {
    // The listings that were refused have closed the project, for ever longer.
    await world.database.query('UPDATE rate_bucket SET blocked_until = now() WHERE blocked_until > now()')
    for (const key of keys) expect(isTerminal((await world.statusOf(key)).state)).toBe(true)
  })

  expectNoSecret('the log', app.log())
  expectNoSecret(
    'the events',
    world
      .copies()
      .map((copy) => JSON.stringify(copy))
      .join('\n'),
  )
  expectNoSecret('the database', await dump())
  const paths = ['/metrics', '/openapi.json', '/readyz', `/v1/${project}/provision-requests?limit=200`]
  for (const key of keys) paths.push(world.pathOf(key), `${world.pathOf(key)}/history`)
  for (const path of paths) expectNoSecret(path, await (await fetch(`${world.url()}${path}`)).text())
})

test('a password leaves the database with the end of its use', async () => {
  const rows = await world.database.query<{ state: string; kept: boolean }>(
    'SELECT DISTINCT state::text, sealed_password IS NOT NULL AS kept FROM provision_request',
  )
  expect(rows.length).toBeGreaterThan(1)
  for (const { state, kept } of rows) expect({ state, kept }).toEqual({ state, kept: false })
})

test('CloudDC got the password all the same', async () => {
  const project_id = world.newProject()
  const key = await world.order({ project_id })
  expect((await world.ended(key)).state).toBe('running')
  // The simulator takes no order without a password that keeps the rules.
  expect(world.calls(project_id)[0]?.status).toBe(202)
})
