import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { queryString } from '../../src/clouddc/auth/percent-encoding.ts'
import { signatureOf } from '../../src/clouddc/auth/signing.ts'
import { authBy } from '../support/auth.ts'
import { createClients } from '../support/clouddc-client.ts'
import { answer, type ScriptedCloudDc, startScriptedCloudDc } from '../support/scripted-clouddc.ts'

const EXPIRED = { fault: 'expired', date: undefined } as const
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
  const auth = authBy({ kind: 'token', token: { file: tokenFile } })
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
  await auth.refused('p1', { 'X-Auth-Token': 'old' }, EXPIRED)
  await writeFile(tokenFile, 'new')
  await auth.refused('p1', { 'X-Auth-Token': 'old' }, EXPIRED)
  expect(await client.batchCreate(CALL)).toMatchObject({ status: 202 })
  expect(cloud.arrivals.map((arrival) => arrival.headers['x-auth-token'])).toEqual(['old', 'old', 'new'])
})

it('without a token no header is sent', async () => {
  cloud.setScript(answer(202, { instances: [{ id: 'a' }] }))
  const auth = authBy(null)
  await clients.open(cloud.endpoint, { auth }).batchCreate(CALL)
  expect(cloud.arrivals[0]?.headers).not.toHaveProperty('x-auth-token')
})

it('a 401 starts one renewal; other refusals start none', async () => {
  let renewals = 0
  const auth = {
    headersFor: async () => ({ 'X-Auth-Token': 't' }),
    answered: () => undefined,
    credentialOf: () => 'c',
    isShared: () => true,
    refused: async () => {
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

it('with keys each call is signed as it stands on the wire', async () => {
  const credential = {
    kind: 'aksk',
    accessKey: { value: 'AK' },
    secretKey: { value: 'Secret-key' },
    securityToken: { value: 'Security-token' },
  } as const
  const auth = authBy(credential)
  const client = clients.open(`${cloud.endpoint}/base`, { auth })
  cloud.setScript(answer(202, { instances: [{ id: 'a' }] }))
  await client.batchCreate({ projectId: 'p-1', body: '{"name":"Zürich"}' })
  cloud.setScript(answer(200, { instances: [] }))
  await client.listInstances({ projectId: 'p-1', instanceIds: ['b', 'a c'], marker: "x&y='1'" })
  await client.showInstanceStatus({ projectId: 'p-1', instanceId: 'i.1~2' }).catch(() => undefined)
  expect(cloud.arrivals).toHaveLength(3)
  for (const { method, path, headers, body } of cloud.arrivals) {
    const { pathname, searchParams } = new URL(path, cloud.endpoint)
    expect(headers).toMatchObject({ 'x-project-id': 'p-1', 'x-security-token': 'Security-token' })
    const names = /SignedHeaders=([^,]*),/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? []
    expect(names).toEqual(expect.arrayContaining(['host', 'x-project-id', 'x-sdk-date', 'x-security-token']))
    const signed = Object.fromEntries(names.map((name) => [name, headers[name] ?? '']))
    const request = {
      method,
      path: pathname,
      query: [...searchParams],
      headers: signed,
      body: Buffer.from(body),
    }
    const key = { accessKey: 'AK', secretKey: 'Secret-key' }
    expect(headers.authorization).toBe(signatureOf(request, key))
    expect(new URL(path, cloud.endpoint).search.slice(1)).toBe(queryString([...searchParams]))
  }
})
