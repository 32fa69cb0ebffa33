import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AppWorld, createAppWorld, type RequestKey } from '../support/app-world.ts'
import { eventually } from '../support/eventually.ts'

const PROJECTS = Array.from({ length: 20 }, (_, number) => `p${number}`)
const BY_KEY = {
  CLOUDDC_AUTH_TOKEN: undefined,
  CLOUDDC_ACCESS_KEY: 'AKAKAK',
  CLOUDDC_SECRET_KEY: 'a-secret-key',
} as const

let folder: string
let world: AppWorld

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'))
})
afterEach(async () => {
  await world.close()
  await rm(folder, { recursive: true })
})

/** So many orders of each project. */
async function orderAll(count: number): Promise<RequestKey[]> {
  const orders: RequestKey[] = []
  for (let n = 0; n < count; n += 1)
    for (const projectId of PROJECTS) orders.push(await world.order({ project_id: projectId }))
  return orders
}

const keyState = () => {
  const [key] = world.simulator.keys.list()
  if (key === undefined) throw new Error('no key')
  return key
}
/** The time of the blocks is over; the next call is a probe. Where one is under way already, it stays the only one. */
const endBlocks = async () => {
  for (const table of ['credential_bucket', 'rate_bucket'])
    await world.database.query(
      `UPDATE ${table} SET blocked_until = now(), due_at = now() WHERE blocked_until > now()`,
    )
}

test('a backlog of twenty projects on a refused key: one call at a time tries it, no lock, and no order ends', async () => {
  world = await createAppWorld({ simulator: { authMode: 'required', aksk: ['AKAKAK:a-secret-key'] } })
  world.simulator.keys.withdraw('AKAKAK')
  for (let replica = 0; replica < 3; replica += 1) await world.startApp(BY_KEY)
  const orders = await orderAll(10)
  // Four in ten minutes: see what the statement says of a wrong key. The first block may end by itself.
  await eventually(async () => {
    const [row] = await world.database.query<{ troubles: number; closed: boolean }>(
      'SELECT troubles, blocked_until > now() AS closed FROM credential_bucket',
    )
    if (row?.closed && row.troubles < 4) await endBlocks()
    expect(row).toEqual({ troubles: 4, closed: true })
  })
  expect(keyState().refused).toBe(4)
  // The last probe closes the key before its own order is back in the queue.
  await eventually(async () => {
    const [count] = await world.database.query<{ queued: number; attempts: number }>(
      `SELECT count(*) FILTER (WHERE state = 'queued')::int AS queued, sum(attempts)::int AS attempts FROM provision_request`,
    )
    expect(count).toEqual({ queued: orders.length, attempts: 0 })
  })
  const waiting = await world.statusOf(orders[0] as RequestKey)
  expect(waiting).toMatchObject({ state: 'queued', waiting: { reason: 'unauthorized' } })
  expect(await world.metric('credential_blocked{credential="default"}')).toBe(1)

  world.simulator.keys.restore('AKAKAK')
  await endBlocks()
  for (const order of orders)
    expect(await world.ended(order)).toMatchObject({ state: 'running', attempts: 1 })
  expect(keyState()).toMatchObject({ refused: 4, locks: 0 })
})

test('of two projects with tokens of their own, one withdrawn: only its orders wait', async () => {
  const file = join(folder, 'credentials.json')
  await writeFile(
    file,
    JSON.stringify({
      version: 1,
      credentials: { user: { kind: 'password', user: 'orderer', password: 'pa55', domain: 'account' } },
      default: 'user',
    }),
  )
  world = await createAppWorld({ simulator: { authMode: 'required', iamUsers: ['orderer:pa55'] } })
  await world.startApp({
    CLOUDDC_AUTH_TOKEN: undefined,
    CLOUDDC_CREDENTIALS_FILE: file,
    IAM_ENDPOINT: world.simulator.iamUrl,
  })
  for (const projectId of ['p0', 'p1']) await world.ended(await world.order({ project_id: projectId }))
  world.simulator.permissions.withdraw('p1')
  const waits = await world.order({ project_id: 'p1' })
  await world.statusWhen(waits, ({ waiting }) => expect(waiting?.reason).toBe('forbidden'))
  for (let n = 0; n < 3; n += 1)
    expect(await world.ended(await world.order({ project_id: 'p0' }))).toMatchObject({ state: 'running' })
  expect(await world.statusOf(waits)).toMatchObject({ state: 'queued', attempts: 0 })
  world.simulator.permissions.restore('p1')
  await endBlocks()
  expect(await world.ended(waits)).toMatchObject({ state: 'running', attempts: 1 })
})

test('a project that gets another credential leaves a refused one behind', async () => {
  const file = join(folder, 'credentials.json')
  const key = (accessKey: string) => ({ kind: 'aksk', access_key: accessKey, secret_key: 'a-secret-key' })
  const content = { version: 1, credentials: { bad: key('BADBAD'), good: key('AKAKAK') }, default: 'bad' }
  await writeFile(file, JSON.stringify(content))
  world = await createAppWorld({
    simulator: { authMode: 'required', aksk: ['AKAKAK:a-secret-key', 'BADBAD:a-secret-key'] },
  })
  world.simulator.keys.withdraw('BADBAD')
  await world.startApp({ CLOUDDC_AUTH_TOKEN: undefined, CLOUDDC_CREDENTIALS_FILE: file })
  const [first, second] = [await world.order({ project_id: 'p0' }), await world.order({ project_id: 'p1' })]
  for (const order of [first, second])
    await world.statusWhen(order, ({ waiting }) => expect(waiting?.reason).toBe('unauthorized'))
  // Whichever of the two was the probe is closed itself as well.
  await writeFile(file, JSON.stringify({ ...content, projects: { p0: { credential: 'good' } } }))
  expect(await world.ended(first)).toMatchObject({ state: 'running' })
  expect(await world.statusOf(second)).toMatchObject({ state: 'queued' })
})

test('a closed credential that gets another secret goes on within seconds', async () => {
  const file = join(folder, 'credentials.json')
  const key = (secret: string) => ({ kind: 'aksk', access_key: 'AKAKAK', secret_key: secret })
  const content = { version: 1, credentials: { key: key('wrong-secret-key') }, default: 'key' }
  await writeFile(file, JSON.stringify(content))
  world = await createAppWorld({ simulator: { authMode: 'required', aksk: ['AKAKAK:a-secret-key'] } })
  for (let replica = 0; replica < 2; replica += 1)
    await world.startApp({ CLOUDDC_AUTH_TOKEN: undefined, CLOUDDC_CREDENTIALS_FILE: file })
  const orders = [await world.order({ project_id: 'p0' }), await world.order({ project_id: 'p1' })]
  for (const order of orders)
    await world.statusWhen(order, ({ waiting }) => expect(waiting?.reason).toBe('unauthorized'))
  // As after many refusals: without another secret nothing would be sent for an hour.
  for (const table of ['credential_bucket', 'rate_bucket'])
    await world.database.query(
      `UPDATE ${table} SET blocked_until = now() + interval '1 hour', due_at = now() + interval '1 hour'
       WHERE blocked_reason = 'unauthorized'`,
    )
  await writeFile(file, JSON.stringify({ ...content, credentials: { key: key('a-secret-key') } }))
  for (const order of orders)
    expect(await world.ended(order)).toMatchObject({ state: 'running', attempts: 1 })
  expect(keyState().locks).toBe(0)
})
