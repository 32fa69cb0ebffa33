import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type RequestKey } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const PROJECTS = ['p0', 'p1', 'p2']
const REPLICAS = 2
const LIFE_MS = 3000
/** It is renewed after two thirds of its life, never before. */
const LEAST_GAP_MS = (LIFE_MS * 2) / 3
const LIVES = 5

let folder: string
let world: AppWorld

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-lives-'))
})
afterEach(async () => {
  await world.close()
  await rm(folder, { recursive: true })
})

test('tokens that end again and again under load: no order fails, and IAM is asked once in each life', async () => {
  const file = join(folder, 'credentials.json')
  const people = { kind: 'password', user: 'orderer', password: 'pa55', domain: 'account' }
  await writeFile(file, JSON.stringify({ version: 1, credentials: { people }, default: 'people' }))
  world = await createAppWorld({
    simulator: { authMode: 'required', iamUsers: ['orderer:pa55'], tokenLifeMs: LIFE_MS },
  })
  for (let replica = 0; replica < REPLICAS; replica += 1)
    await world.startApp({
      CLOUDDC_AUTH_TOKEN: undefined,
      CLOUDDC_CREDENTIALS_FILE: file,
      IAM_ENDPOINT: world.simulator.iamUrl,
    })
  const askedFor = (project: string) =>
    world.simulator.ledger.calls({ service: 'iam' }).filter(({ scope }) => scope === project)
  const orders: RequestKey[] = []
  await eventually(
    async () => {
      for (const project_id of PROJECTS) orders.push(await world.order({ project_id }))
      for (const project of PROJECTS)
        expect(askedFor(project).length).toBeGreaterThanOrEqual(LIVES * REPLICAS)
    },
    { pollMs: 50 },
  )
  for (const order of orders) {
    expect(await world.ended(order)).toMatchObject({ state: 'running', attempts: 1 })
    expect((await world.historyOf(order)).map((entry) => ('to' in entry ? entry.to : null))).not.toContain(
      'uncertain',
    )
  }
  for (const project of PROJECTS) {
    const times = askedFor(project).map(({ at_ms }) => at_ms)
    const spanMs = (times.at(-1) ?? 0) - (times[0] ?? 0)
    expect(times.length).toBeLessThanOrEqual(REPLICAS * (1 + Math.ceil(spanMs / LEAST_GAP_MS)))
  }
})
