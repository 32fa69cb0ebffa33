import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAuth } from '../../src/clouddc/auth.ts'
import { createClients, silentLogger } from '../support/clouddc-client.ts'
import { answer, type ScriptedCloudDc, startScriptedCloudDc } from '../support/scripted-clouddc.ts'

const CALL = { projectId: 'p1', body: '{}' }

const clients = createClients()
let cloud: ScriptedCloudDc
let folder: string
let tokenFile: string

beforeEach(async () => {
  cloud = await startScriptedCloudDc()
  folder = await mkdtemp(join(tmpdir(), 'clouddc-auth-'))
  tokenFile = join(folder, 'token')
})

afterEach(async () => {
  await clients.closeAll()
  await cloud.close()
  await rm(folder, { recursive: true })
})

it('after a 401 nothing is sent again; the next call has the new token', async () => {
  await writeFile(tokenFile, 'old')
  const auth = createAuth({ tokenFile, logger: silentLogger })
  const client = clients.open(cloud.endpoint, { auth })
  cloud.setScript((socket, arrival) => {
    answer(arrival.headers['x-auth-token'] === 'new' ? 202 : 401, { instances: [{ id: 'a' }] })(
      socket,
      arrival,
    )
  })
  const refused = await Promise.all([client.batchCreate(CALL), client.batchCreate(CALL)])
  expect(refused.map((evidence) => evidence.kind === 'response' && evidence.status)).toEqual([401, 401])
  expect(cloud.arrivals).toHaveLength(2)
  // Joins the look that the refusals began, which may still have read the old file.
  await auth.refresh()
  await writeFile(tokenFile, 'new')
  await auth.refresh()
  expect(await client.batchCreate(CALL)).toMatchObject({ status: 202 })
  expect(cloud.arrivals.map((arrival) => arrival.headers['x-auth-token'])).toEqual(['old', 'old', 'new'])
})

it('without a token no header is sent', async () => {
  cloud.setScript(answer(202, { instances: [{ id: 'a' }] }))
  const auth = createAuth({ logger: silentLogger })
  await clients.open(cloud.endpoint, { auth }).batchCreate(CALL)
  expect(cloud.arrivals[0]?.headers).not.toHaveProperty('x-auth-token')
})

it('a 401 starts one renewal; other refusals start none', async () => {
  let renewals = 0
  const auth = {
    header: async () => ({ 'X-Auth-Token': 't' }),
    refresh: async () => {
      renewals += 1
      return false
    },
  }
  const client = clients.open(cloud.endpoint, { auth })
  for (const status of [400, 403, 429, 500]) {
    cloud.setScript(answer(status))
    await client.batchCreate(CALL)
  }
  expect(renewals).toBe(0)
  cloud.setScript(answer(401))
  await client.batchCreate(CALL)
  expect(renewals).toBe(1)
  await expect(client.listInstances({ projectId: 'p1' })).rejects.toThrow()
  expect(renewals).toBe(2)
  expect(cloud.arrivals).toHaveLength(6)
})
