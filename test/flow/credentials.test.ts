import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const SECRETS = ['Canary-secret-key', 'Canary-pa55']

let folder: string
let file: string
let world: AppWorld

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'))
  file = join(folder, 'credentials.json')
})

afterEach(async () => {
  await world.close()
  await rm(folder, { recursive: true })
})

const FILE = {
  version: 1,
  credentials: {
    main: { kind: 'aksk', access_key: 'AKAKAK', secret_key: SECRETS[0] },
    lab: { kind: 'password', user: 'orderer', password: SECRETS[1], domain: 'account' },
  },
  default: 'main',
  projects: { lab: { credential: 'lab' } },
}

async function start(tokenLifeMs: number) {
  world = await createAppWorld({
    simulator: {
      authMode: 'required',
      aksk: [`AKAKAK:${SECRETS[0]}`],
      iamUsers: [`orderer:${SECRETS[1]}`],
      tokenLifeMs,
    },
  })
  await writeFile(file, JSON.stringify(FILE))
  return world.startApp({
    CLOUDDC_AUTH_TOKEN: undefined,
    CLOUDDC_CREDENTIALS_FILE: file,
    IAM_ENDPOINT: world.simulator.iamUrl,
  })
}

const askedIam = () => world.simulator.ledger.calls({ service: 'iam' }).length

test('two projects order with credentials of their own, while tokens end again and again', async () => {
  const app = await start(3000)
  const orders = [await world.order({ project_id: 'main' })]
  // Each look at IAM is another life of the token.
  for (let life = 1; life <= 3; life += 1) {
    await eventually(
      async () => {
        orders.push(await world.order({ project_id: 'lab' }))
        expect(askedIam()).toBeGreaterThanOrEqual(life)
      },
      { pollMs: 200 },
    )
  }
  for (const order of orders)
    expect(await world.ended(order)).toMatchObject({ state: 'running', attempts: 1 })
  expect(app.log()).not.toContain('Canary')
})

test('a file with faults, then one that names another credential: nothing ends, and the latter is used', async () => {
  const app = await start(3_600_000)
  await world.ended(await world.order({ project_id: 'lab' }))
  await writeFile(file, '{"version":1,"credentials":{"lab":{"kind":"password","password":"Canary"}}}')
  const meanwhile = await world.order({ project_id: 'lab' })
  expect(await world.ended(meanwhile)).toMatchObject({ state: 'running' })
  await writeFile(file, JSON.stringify({ ...FILE, projects: {} }))
  await eventually(async () => {
    await world.ended(await world.order({ project_id: 'lab' }))
    expect(world.calls('lab').at(-1)?.user).toBe('AKAKAK')
  })
  expect(askedIam()).toBe(1)
  expect(app.log()).not.toContain('Canary')
})

test('while IAM is down, requests without a token wait, and go on when it is back', async () => {
  world = await createAppWorld({ simulator: { iamUsers: [`orderer:${SECRETS[1]}`] } })
  await writeFile(file, JSON.stringify(FILE))
  const down = world.simulator.faults.add({ kind: 'error_before', service: 'iam', status: 503, count: null })
  const app = await world.startApp({
    CLOUDDC_AUTH_TOKEN: undefined,
    CLOUDDC_CREDENTIALS_FILE: file,
    IAM_ENDPOINT: world.simulator.iamUrl,
  })
  const order = await world.order({ project_id: 'lab' })
  const waiting = await world.statusWhen(order, (status) =>
    expect(status.waiting?.reason).toBe('unauthorized'),
  )
  expect(waiting).toMatchObject({ state: 'queued', attempts: 0 })
  expect(world.calls('lab')).toEqual([])
  world.simulator.faults.remove(down.id)
  expect(await world.ended(order)).toMatchObject({ state: 'running', attempts: 1 })
  expect(app.log()).not.toContain('Canary')
})
