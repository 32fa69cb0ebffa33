import { afterEach, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const MISSPELT = Array.from({ length: 200 }, (_, number) => `misspelt-${number}`)
const HEALTHY = ['p0', 'p1', 'p2']

let world: AppWorld
afterEach(() => world.close())

test('orders of misspelt projects say what they wait for, and hardly cost a call while others are served', async () => {
  world = await createAppWorld({ simulator: { authMode: 'required', aksk: ['AKAKAK:a-secret-key'] } })
  for (const projectId of MISSPELT) world.simulator.permissions.withdraw(projectId)
  await world.startApp({
    CLOUDDC_AUTH_TOKEN: undefined,
    CLOUDDC_ACCESS_KEY: 'AKAKAK',
    CLOUDDC_SECRET_KEY: 'a-secret-key',
  })
  const misspelt = await Promise.all(MISSPELT.map((projectId) => world.order({ project_id: projectId })))
  const healthy = await Promise.all(HEALTHY.map((projectId) => world.order({ project_id: projectId })))
  for (const order of healthy) expect(await world.ended(order)).toMatchObject({ state: 'running' })
  await eventually(async () => {
    const [row] = await world.database.query<{ closed: number }>(
      `SELECT count(*)::int AS closed FROM rate_bucket WHERE blocked_reason = 'forbidden'`,
    )
    expect(row?.closed).toBe(MISSPELT.length)
  })
  for (let n = 0; n < 5; n += 1)
    for (const projectId of HEALTHY)
      expect(await world.ended(await world.order({ project_id: projectId }))).toMatchObject({
        state: 'running',
      })
  // Refused early, while few others were, and once more: from then on each is tried every hundred seconds.
  const [tried] = await world.database.query<{ most: number }>(
    `SELECT max(troubles) AS most FROM rate_bucket WHERE blocked_reason = 'forbidden'`,
  )
  expect(tried?.most).toBeLessThanOrEqual(3)
  expect(await world.statusOf(misspelt[0] as (typeof misspelt)[0])).toMatchObject({
    state: 'queued',
    attempts: 0,
    waiting: { reason: 'forbidden' },
  })
})
