import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AppWorld, createAppWorld } from '../support/app-world.ts'
import { readAttempts } from '../support/attempts.ts'
import { eventually } from '../support/eventually.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let world: AppWorld
let cloud: TcpProxy
let target: { host: string; port: number }

beforeAll(async () => {
  world = await createAppWorld()
  target = { host: world.simulator.host, port: world.simulator.port }
  cloud = await createTcpProxy({ target })
  world.defer(() => cloud.close())
  const settings = { CLOUDDC_ENDPOINT: cloud.through(world.simulator.url) }
  await world.startApp(settings)
  await world.startApp(settings)
})
afterAll(() => world.close())

/** Nobody listens on the port any more, and then somebody does again. */
const leave = () => cloud.close()
const comeBack = async () => {
  cloud = await createTcpProxy({ target, port: cloud.port })
}

const place = (project_id: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => world.order({ project_id })))

/** Attempts that met nobody. */
const probesOf = async (project: string) =>
  (await readAttempts(world.database, project)).filter(({ cause }) => cause === 'unreachable')

describe('a CloudDC that nobody can reach', () => {
  test('costs no attempt, loses no request, and is no reason to be unready', async () => {
    const project = world.newProject()
    await leave()
    const keys = await place(project, 10)
    for (const key of keys) {
      const status = await world.statusWhen(key, ({ waiting }) =>
        expect(waiting?.reason).toBe('upstream_unavailable'),
      )
      expect(status).toMatchObject({ state: 'queued', attempts: 0, error: null })
    }
    expect((await world.get('/readyz')).status).toBe(200)
    await comeBack()
    for (const key of keys) {
      expect(await world.ended(key)).toMatchObject({ state: 'running', attempts: 1 })
      expect((await world.allEventsOf(key)).map((event) => event.kind)).not.toContain('request.uncertain')
    }
    expect(world.creations(project)).toHaveLength(10)
  })

  test('is asked by one probe at a time, whatever waits and however many replicas there are', async () => {
    const project = world.newProject()
    await leave()
    const keys = await place(project, 1)
    for (const key of keys) {
      await world.statusWhen(key, ({ waiting }) => expect(waiting?.reason).toBe('upstream_unavailable'))
    }
    keys.push(...(await place(project, 9)))
    await eventually(async () => expect((await probesOf(project)).length).toBeGreaterThanOrEqual(3))
    await comeBack()
    for (const key of keys) await world.ended(key)
    const probes = await probesOf(project)
    for (const [index, probe] of probes.entries()) {
      const before = probes[index - 1]
      if (before !== undefined) expect(probe.startedAt).toBeGreaterThanOrEqual(before.finishedAt ?? 0)
    }
    expect(world.creations(project)).toHaveLength(10)
  })
})
