import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSimulator, type Simulator } from '../../simulator/simulator.ts'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import { fixedCredentials } from '../../src/clouddc/auth/credential-book.ts'
import { type Credential, credentialsOf } from '../../src/clouddc/auth/credentials.ts'
import { createIamTransport } from '../../src/clouddc/iam/iam-call.ts'
import { type Authority, createAuthority } from '../support/authority.ts'
import { createClients, silentLogger } from '../support/clouddc-client.ts'
import { startTlsFront } from '../support/tls-front.ts'

/** CloudDC and IAM by https, with certificates of an authority that nobody knows. */

const PASSWORD: Credential = { kind: 'password', user: 'orderer', password: 'Pa55-word!', domain: 'account' }
const AKSK: Credential = {
  kind: 'aksk',
  accessKey: { value: 'AKAKAK' },
  secretKey: { value: 'SKSKSK' },
  securityToken: null,
}

const clients = createClients()
let stack: AsyncDisposableStack
let authority: Authority
let simulator: Simulator
let cloud: Awaited<ReturnType<typeof startTlsFront>>
let iam: Awaited<ReturnType<typeof startTlsFront>>

beforeEach(async () => {
  stack = new AsyncDisposableStack()
  authority = await createAuthority()
  simulator = await createSimulator({
    authMode: 'required',
    aksk: ['AKAKAK:SKSKSK'],
    iamUsers: ['orderer:Pa55-word!'],
  })
  stack.defer(simulator.close)
  const own = await authority.certify({ ip: ['127.0.0.1'] })
  cloud = await startTlsFront(simulator.url, own)
  stack.defer(cloud.close)
  iam = await startTlsFront(simulator.iamUrl, own)
  stack.defer(iam.close)
  stack.defer(clients.closeAll)
})
afterEach(() => stack.disposeAsync())

function clientOf(
  credential: Credential,
  { ca, url = cloud.url }: { ca?: string | undefined; url?: string },
) {
  const transport = createIamTransport({ ca })
  stack.defer(transport.close)
  const home = { endpoint: url, region: null, iamEndpoint: iam.url }
  const auth = createAuth({
    book: fixedCredentials(credentialsOf(credential)),
    home,
    transport,
    logger: silentLogger,
  })
  return clients.open(url, { auth, ca })
}

it.each([
  ['signed calls', AKSK],
  ['a token', PASSWORD],
])('works by %s where the authority is known', async (_, credential) => {
  const client = clientOf(credential, { ca: authority.cert })
  expect(await client.listInstances({ projectId: 'p1', limit: 10 })).toMatchObject({ instances: [] })
})

it.each([
  ['another authority', async () => (await createAuthority('stranger')).cert],
  ['the usual ones', async () => undefined],
])('sends nothing to a server whose authority is unknown where %s is trusted', async (_, caOf) => {
  const client = clientOf(AKSK, { ca: await caOf() })
  const created = await client.batchCreate({ projectId: 'p1', body: '{}' })
  expect(created).toMatchObject({ kind: 'no_response', requestStarted: false })
  await expect(client.listInstances({ projectId: 'p1' })).rejects.toThrow(/verify the first certificate/)
  expect(simulator.ledger.calls({})).toEqual([])
})

it('sends nothing to a server whose certificate is of another host, or over', async () => {
  const byName = clientOf(AKSK, { ca: authority.cert, url: cloud.url.replace('127.0.0.1', 'localhost') })
  await expect(byName.listInstances({ projectId: 'p1' })).rejects.toThrow(/Host: localhost/)
  cloud.useCertificate(await authority.certify({ ip: ['127.0.0.1'], days: -1 }))
  const client = clientOf(AKSK, { ca: authority.cert })
  expect(await client.batchCreate({ projectId: 'p1', body: '{}' })).toMatchObject({
    kind: 'no_response',
    requestStarted: false,
    code: 'CERT_HAS_EXPIRED',
  })
  expect(simulator.ledger.calls({})).toEqual([])
})

it('shows no password to an IAM whose certificate is not trusted', async () => {
  iam.useCertificate(await (await createAuthority('stranger')).certify({ ip: ['127.0.0.1'] }))
  const client = clientOf(PASSWORD, { ca: authority.cert })
  await expect(client.listInstances({ projectId: 'p1' })).rejects.toThrow(/no answer: .*certificate/)
  expect(simulator.ledger.calls({})).toEqual([])
})
