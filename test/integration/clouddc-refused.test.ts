import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Credential } from '../../src/clouddc/auth/credentials.ts'
import { eventually } from '../support/eventually.ts'
import { createIamWorld, type IamWorld } from '../support/iam-world.ts'
import { answer } from '../support/scripted-clouddc.ts'

const KEYS: Credential = {
  kind: 'aksk',
  accessKey: { value: 'AK' },
  secretKey: { value: 'Canary-secret' },
  securityToken: null,
}

let world: IamWorld

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clouddc-refused-'))
  world = await createIamWorld()
})

afterEach(async () => {
  await world.close()
  await rm(folder, { recursive: true })
})

describe('a refusal by the gateway', () => {
  const refuse = (words: string, headers = {}) =>
    world.cloud.setScript(answer(401, { error_code: 'APIGW.0301', error_msg: words }, headers))
  const create = { projectId: 'p1', body: '{}' }

  it('of a locked key keeps all calls with it back for five minutes, and no others', async () => {
    const auth = world.authOf({ main: KEYS })
    const client = world.client(auth)
    refuse('Incorrect IAM authentication information: AK access failed to reach the limit,forbidden')
    await client.batchCreate(create)
    for (const project of ['p1', 'p2'])
      await expect(client.listInstances({ projectId: project })).rejects.toThrow('credential main is locked')
    world.clock.now = 5 * 60_000
    await expect(client.listInstances({ projectId: 'p1' })).rejects.toThrow('locked')
    expect(world.cloud.arrivals).toHaveLength(1)
    world.clock.now += 60_000
    world.cloud.setScript(answer(200, { instances: [] }))
    expect(await client.listInstances({ projectId: 'p1' })).toMatchObject({ instances: [] })
    expect(world.log()).not.toContain('Canary')
  })

  it('of a locked key does not hold back the key that takes its place', async () => {
    const file = join(folder, 'access-key')
    await writeFile(file, 'LOCKED')
    const client = world.client(world.authOf({ main: { ...KEYS, accessKey: { file } } }))
    refuse('AK access failed to reach the limit,forbidden')
    await client.batchCreate(create)
    await expect(client.listInstances({ projectId: 'p1' })).rejects.toThrow('locked')
    await writeFile(file, 'ANOTHER')
    world.cloud.setScript(answer(200, { instances: [] }))
    await eventually(() => client.listInstances({ projectId: 'p1' }))
    expect(world.cloud.arrivals.at(-1)?.headers.authorization).toContain('Access=ANOTHER,')
  })

  it('of the time of a signature sets the clock by the answer', async () => {
    const client = world.client(world.authOf({ main: KEYS }))
    const theirs = new Date(Date.now() + 3_600_000)
    refuse('calc aksk signature fail:signature expired', { Date: theirs.toUTCString() })
    await client.batchCreate(create)
    await client.batchCreate(create)
    const [first, second] = world.cloud.arrivals.map(({ headers }) => headers['x-sdk-date'] ?? '')
    expect(second?.slice(0, 11)).toBe(theirs.toISOString().replaceAll('-', '').slice(0, 11))
    expect(first).not.toBe(second)
    expect(world.log().match(/clock is far/g)).toHaveLength(1)
  })

  it('that quotes the signed request tells nothing of it', async () => {
    const auth = world.authOf({ main: { ...KEYS, securityToken: { value: 'Canary-st' } } })
    const client = world.client(auth)
    world.cloud.setScript((socket, arrival) => {
      const quoted = Object.entries(arrival.headers).map(([name, value]) => `${name}:${value.slice(0, -1)}`)
      refusalQuoting(`POST\n${arrival.path}/\n\n${quoted.join('\n')}`)(socket, arrival)
    })
    const evidence = await client.batchCreate(create)
    const fault = await client.listInstances({ projectId: 'p1' }).catch(String)
    expect(evidence).toMatchObject({ status: 401, code: 'APIGW.0301' })
    expect(JSON.stringify(evidence)).toContain('verify aksk signature fail')
    expect(JSON.stringify(evidence) + fault + world.log()).not.toContain('Canary')
    expect(JSON.stringify(evidence)).not.toContain('batch-create')
  })
})

const refusalQuoting = (request: string) =>
  answer(401, {
    error_code: 'APIGW.0301',
    error_msg: `verify aksk signature fail, canonical request: ${request}`,
  })
