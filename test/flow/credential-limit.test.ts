import { afterEach, expect, test } from 'vitest'
import { createReleasers } from '../../dev/demo/stage.ts'
import { createRunFolder } from '../../dev/servers/run-folder.ts'
import { startSimulator } from '../../dev/simulator-process.ts'
import { startAppProcess } from '../support/app-process.ts'
import { createAppWorld } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const PROJECTS = Array.from({ length: 20 }, (_, number) => `p${number}`)
const ORDERS_OF_EACH = 5
const KEY_LIMIT = { rate: 20, burst: 6 }
const PROJECT_LIMIT = { rate: 5, burst: 5 }

const releasers = createReleasers()
afterEach(() => releasers.run())

/**
 * Simulator and replicas are processes of their own, as in life: in one process whatever holds up the loop holds up the
 * calls between their writing and their arrival as well.
 */
test('twenty projects on one key keep its limit and theirs, over all replicas, and all are served', async () => {
  const folder = createRunFolder()
  releasers.add(folder.remove)
  const simulator = await startSimulator({
    folder,
    knobs: {
      SIM_AKSK: 'AKAKAK:a-secret-key',
      SIM_LIMITER_RATE: String(PROJECT_LIMIT.rate),
      SIM_LIMITER_BURST: String(PROJECT_LIMIT.burst),
      SIM_USER_LIMITER_RATE: String(KEY_LIMIT.rate),
      SIM_USER_LIMITER_BURST: String(KEY_LIMIT.burst),
      SIM_BOOT_MAX_MS: '50',
    },
  })
  const world = await createAppWorld()
  releasers.add(world.close)
  const { CLOUDDC_AUTH_TOKEN: _, ...environment } = world.environment
  for (let replica = 0; replica < 3; replica += 1) {
    const app = await startAppProcess({
      ...environment,
      CLOUDDC_ENDPOINT: simulator.url,
      CLOUDDC_ACCESS_KEY: 'AKAKAK',
      CLOUDDC_SECRET_KEY: 'a-secret-key',
      POLL_MIN_MS: '500',
      POLL_MAX_MS: '1000',
      RATE_LIMIT_PER_SECOND: String(PROJECT_LIMIT.rate),
      RATE_LIMIT_BURST: String(PROJECT_LIMIT.burst),
      CREDENTIAL_RATE_LIMITS: JSON.stringify({
        default: { per_second: KEY_LIMIT.rate, burst: KEY_LIMIT.burst },
      }),
    })
    releasers.add(app.kill)
    await app.ready()
  }
  for (let n = 0; n < ORDERS_OF_EACH; n += 1)
    for (const project_id of PROJECTS) await world.order({ project_id })
  await eventually(async () => {
    const [row] = await world.database.query<{ running: number }>(
      `SELECT count(*) FILTER (WHERE state = 'running')::int AS running FROM provision_request`,
    )
    expect(row?.running).toBe(PROJECTS.length * ORDERS_OF_EACH)
  })

  const { violations } = await simulator.admin<{ violations: unknown[] }>('GET', 'limiter/violations')
  expect(violations).toEqual([])
  const { rate, burst } = KEY_LIMIT
  const check = await simulator.admin<{ calls: number; worst_excess: number }>(
    'GET',
    `limiter/check?rate=${rate}&burst=${burst}&user=AKAKAK`,
  )
  expect(check.worst_excess).toBeLessThanOrEqual(0)
  for (const project of PROJECTS) {
    const query = `operation=RunInstances&project=${project}`
    const { calls } = await simulator.admin<{ calls: { instance_ids: string[] }[] }>(
      'GET',
      `ledger/calls?${query}`,
    )
    expect(calls.filter(({ instance_ids }) => instance_ids.length > 0)).toHaveLength(ORDERS_OF_EACH)
  }
})
