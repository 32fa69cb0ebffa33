import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { idToken } from '../../dev/demo/access.ts'
import { startAppProcess } from '../support/app-process.ts'
import { createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const SECRET_KEY = 'Canary-secret-key'
const WRONG_SECRET_KEY = 'Canary-wrong-secret-key'
const SECURITY_TOKEN = 'Canary-security-token'
const PASSWORD = 'Canary-pa55word'
const ID_TOKEN = idToken('Canary-signature')
const FIXED_TOKEN = 'Canary-fixed-token'

const stack = new AsyncDisposableStack()
afterAll(() => stack.disposeAsync())

test('no secret of any credential is seen, though gateway and IAM quote them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'credential-secrets-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const world = await createAppWorld({
    simulator: {
      authMode: 'required',
      aksk: [`AKAKAK:${SECRET_KEY}`, `AKTEMP:another-key:${SECURITY_TOKEN}`],
      iamUsers: [`orderer:${PASSWORD}`],
      authTokens: [FIXED_TOKEN],
      quoteCanonical: true,
    },
  })
  stack.use(world)
  const { simulator } = world
  const path = join(folder, 'credentials.json')
  const idTokenFile = join(folder, 'id-token')
  await writeFile(idTokenFile, ID_TOKEN)
  const agency = { kind: 'agency', domain: 'customer', agency: 'provisioner' }
  const credentials = {
    keys: { kind: 'aksk', access_key: 'AKAKAK', secret_key: SECRET_KEY },
    wrong: {
      kind: 'aksk',
      access_key: 'AKTEMP',
      secret_key: WRONG_SECRET_KEY,
      security_token: SECURITY_TOKEN,
    },
    people: { kind: 'password', user: 'orderer', password: PASSWORD, domain: 'account' },
    cluster: { kind: 'oidc', idp_id: 'cluster', id_token_file: idTokenFile },
    machine: { kind: 'metadata', endpoint: simulator.iamUrl },
    by_keys: { ...agency, of: 'keys' },
    by_people: { ...agency, of: 'people' },
    fixed: { kind: 'token', token: FIXED_TOKEN },
  }
  const ids = Object.keys(credentials)
  const projects = Object.fromEntries(ids.map((id) => [`p-${id}`, { credential: id }]))
  await writeFile(path, JSON.stringify({ version: 1, credentials, projects }))
  // IAM is in trouble at first, and says what it was shown.
  for (const [operation, shown] of [
    ['CreateToken', PASSWORD],
    ['CreateTokenByIdToken', ID_TOKEN],
  ] as const)
    simulator.faults.add({
      kind: 'error_before',
      operation,
      status: 500,
      body: { error: { code: 500, message: `cannot take ${shown}`, title: 'Oops' } },
    })

  const { CLOUDDC_AUTH_TOKEN: _, ...environment } = world.environment
  const app = await startAppProcess({
    ...environment,
    CLOUDDC_CREDENTIALS_FILE: path,
    IAM_ENDPOINT: simulator.iamUrl,
    LOG_LEVEL: 'trace',
  })
  stack.defer(app.kill)
  await app.ready()
  const get = async (route: string) => (await fetch(`${app.url}${route}`)).text()
  const routes: string[] = []
  for (const id of ids) {
    const order = await world.order({ project_id: `p-${id}` })
    routes.push(world.pathOf(order), `${world.pathOf(order)}/history`, `/v1/p-${id}/summary`)
    await eventually(async () => {
      const { state, waiting } = JSON.parse(await get(world.pathOf(order)))
      if (id === 'wrong') expect(waiting?.reason).toBe('unauthorized')
      else expect(state).toBe('running')
    })
  }
  expect(simulator.ledger.calls({ project: 'p-wrong' }).some(({ status }) => status === 401)).toBe(true)

  // Each that is over is refused, and another one is fetched.
  simulator.tokens.expire()
  simulator.metadata.expire()
  const secrets = [
    ...[SECRET_KEY, WRONG_SECRET_KEY, SECURITY_TOKEN, PASSWORD, FIXED_TOKEN, 'Canary'],
    ...simulator.secrets(),
  ]
  for (const id of ['people', 'cluster']) await world.order({ project_id: `p-${id}` })
  await eventually(() =>
    expect(simulator.ledger.calls({ project: 'p-people' }).some(({ status }) => status === 401)).toBe(true),
  )

  const tables = await world.database.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'`,
  )
  const rows = await Promise.all(
    tables.map(({ name }) => world.database.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`)),
  )
  const places = {
    log: app.log(),
    tables: JSON.stringify(rows),
    http: (await Promise.all([...routes, '/metrics', '/readyz', '/healthz'].map(get))).join('\n'),
    events: JSON.stringify(world.copies()),
    'dead letters': JSON.stringify(world.deadLetters()),
  }
  expect(places.log.includes('"level":"debug"')).toBe(true)
  for (const [place, text] of Object.entries(places))
    for (const secret of secrets)
      for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('hex')])
        expect(text.includes(form), `${place}: ${secret.slice(0, 30)}`).toBe(false)
})
