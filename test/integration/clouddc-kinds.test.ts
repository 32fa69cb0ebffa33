import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { SimulatorOptions } from '../../simulator/options.ts'
import { createSimulator, type Simulator } from '../../simulator/simulator.ts'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import { fixedCredentials } from '../../src/clouddc/auth/credential-book.ts'
import { regionOf } from '../../src/clouddc/auth/credentials.ts'
import { parseCredentials } from '../../src/clouddc/auth/credentials-file.ts'
import { createIamTransport } from '../../src/clouddc/iam/iam-call.ts'
import { cloudDcEndpoint } from '../../src/clouddc/regions.ts'
import { createClients, silentLogger } from '../support/clouddc-client.ts'

/** Every kind of credential against the simulator, which judges them by a reading of its own. */

const BODY = JSON.stringify({
  name: 'web',
  image_id: '3f2c9b1e-0d55-4c0a-9d0c-6f2b0a7d1e11',
  vpc_id: '8d1f0c52-55c1-4b2e-8a53-2f4c6d9b7a10',
  network_interfaces: [{ subnet_id: '1b0c9a77-7b57-4f0a-9a7b-0f1e2d3c4b5a' }],
  password: 'Sup3r-Secret!',
  min_count: 1,
  max_count: 1,
})
const PASSWORD = { kind: 'password', user: 'orderer', password: 'Pa55-word!', domain: 'account' }
const AKSK = { kind: 'aksk', access_key: 'AKAKAK', secret_key: 'SKSKSK' }
const JWT = ['{"alg":"none"}', `{"sub":"w","exp":${Math.ceil(Date.now() / 1000) + 3600}}`, 's']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.')

const clients = createClients()
const transports: ReturnType<typeof createIamTransport>[] = []
let simulator: Simulator
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clouddc-kinds-'))
})

afterEach(async () => {
  await clients.closeAll()
  await Promise.all(transports.splice(0).map((transport) => transport.close()))
  await simulator.close()
  await rm(folder, { recursive: true })
})

async function start(options: SimulatorOptions = {}) {
  simulator = await createSimulator({
    authMode: 'required',
    aksk: ['AKAKAK:SKSKSK'],
    iamUsers: ['orderer:Pa55-word!'],
    ...options,
  })
}

function clientOf(file: object) {
  const text = JSON.stringify({ version: 1, default: 'main', ...file })
  const credentials = parseCredentials(text, { environment: null, insecure: false })
  const home = { endpoint: simulator.url, region: null, iamEndpoint: simulator.iamUrl }
  const transport = createIamTransport()
  transports.push(transport)
  const auth = createAuth({ book: fixedCredentials(credentials), home, transport, logger: silentLogger })
  return clients.open(simulator.url, {
    auth,
    endpointOf: (projectId) => cloudDcEndpoint(regionOf(credentials, projectId), home, credentials.regions),
  })
}

it.each<[string, (simulator: Simulator) => Record<string, object> | Promise<Record<string, object>>]>([
  ['keys', () => ({ main: AKSK })],
  ['a token by password', () => ({ main: PASSWORD })],
  [
    'a token by OIDC',
    async () => {
      await writeFile(join(folder, 'jwt'), JWT)
      return { main: { kind: 'oidc', idp_id: 'cluster', id_token_file: join(folder, 'jwt') } }
    },
  ],
  ['keys of the machine', ({ iamUrl }) => ({ main: { kind: 'metadata', endpoint: iamUrl } })],
  [
    'keys of an agency',
    () => ({ main: { kind: 'agency', of: 'own', domain: 'other', agency: 'orders' }, own: AKSK }),
  ],
  [
    'keys of an agency, by an account that is named',
    () => ({
      main: { kind: 'agency', of: 'own', domain: 'other', agency: 'orders' },
      own: { ...AKSK, domain_id: 'account-1' },
    }),
  ],
  [
    'keys of an agency, by those of the machine',
    ({ iamUrl }) => ({
      main: { kind: 'agency', of: 'own', domain: 'other', agency: 'orders' },
      own: { kind: 'metadata', endpoint: iamUrl },
    }),
  ],
  [
    'a token of an agency',
    () => ({ main: { kind: 'agency', of: 'own', domain: 'other', agency: 'orders' }, own: PASSWORD }),
  ],
])('%s: reads and creates in every project', async (_, credentialsOf) => {
  await start()
  const client = clientOf({ credentials: await credentialsOf(simulator) })
  for (const projectId of ['p1', 'p2']) {
    const created = await client.batchCreate({ projectId, body: BODY })
    expect(created).toMatchObject({ status: 202 })
    const listed = await client.listInstances({ projectId, instanceIds: ['b-1', 'a.2'], limit: 20 })
    expect(listed.instances).toEqual([])
  }
  expect(simulator.ledger.calls({ service: 'clouddc' }).map(({ status }) => status)).toEqual([
    202, 200, 202, 200,
  ])
})

it('a wrong key costs nothing but refusals, and tells nothing of the call', async () => {
  await start()
  const client = clientOf({ credentials: { main: { ...AKSK, secret_key: 'Canary' } } })
  const refused = await client.batchCreate({ projectId: 'p1', body: BODY })
  expect(refused).toMatchObject({ status: 401, code: 'APIGW.0301' })
  expect(JSON.stringify(refused)).toMatch(/verify aksk signature fail/)
  expect(JSON.stringify(refused)).not.toMatch(/batch-create|x-sdk-date|Sup3r/)
})

it('a key that is locked is left alone', async () => {
  await start()
  const client = clientOf({ credentials: { main: { ...AKSK, secret_key: 'wrong' } } })
  for (let call = 0; call < 20; call += 1) await client.batchCreate({ projectId: 'p1', body: BODY })
  const calls = simulator.ledger.calls({ service: 'clouddc' })
  // Five lock the key, the sixth is told so.
  expect(calls.length).toBeLessThanOrEqual(6)
})

it('each project has the credential that is named for it', async () => {
  await start()
  const client = clientOf({
    credentials: { main: AKSK, lab: PASSWORD },
    projects: { p2: { credential: 'lab' } },
  })
  await client.listInstances({ projectId: 'p1' })
  await client.listInstances({ projectId: 'p2' })
  await client.listInstances({ projectId: 'p2' })
  expect(simulator.ledger.calls({ service: 'iam' })).toHaveLength(1)
})

it('a project is served in its region', async () => {
  await start({ regions: ['cn-east-3:0'], projectRegions: { p1: 'cn-southwest-2', p2: 'cn-east-3' } })
  const client = clientOf({
    credentials: { main: AKSK },
    projects: { p2: { region: 'cn-east-3' } },
    regions: { 'cn-east-3': { endpoint: simulator.regionUrls['cn-east-3'] } },
  })
  for (const projectId of ['p1', 'p2'])
    expect(await client.batchCreate({ projectId, body: BODY })).toMatchObject({ status: 202 })
})
