import { pino } from 'pino'
import type { Auth } from '../../src/clouddc/auth/auth.ts'
import { createAuth } from '../../src/clouddc/auth/create-auth.ts'
import { fixedCredentials } from '../../src/clouddc/auth/credential-book.ts'
import type { Credential } from '../../src/clouddc/auth/credentials.ts'
import { createIamTransport } from '../../src/clouddc/iam/iam-call.ts'
import { createClients } from './clouddc-client.ts'
import { answer, type Script, startScriptedCloudDc } from './scripted-clouddc.ts'

export type IamWorld = Awaited<ReturnType<typeof createIamWorld>>

/** CloudDC and IAM, both as scripted, and authentication between them. `main` is everybody's credential. */
export async function createIamWorld() {
  const clients = createClients()
  const [iam, cloud] = await Promise.all([startScriptedCloudDc(), startScriptedCloudDc()])
  const transport = createIamTransport()
  const lines: string[] = []
  const clock = { now: 0 }
  const logger = pino({ level: 'trace' }, { write: (line) => void lines.push(line) })
  const authOf = (byId: Record<string, Credential>): Auth => {
    const book = fixedCredentials({
      byId: new Map(Object.entries(byId)),
      defaultId: 'main',
      projects: new Map(),
      regions: new Map(),
    })
    const home = { endpoint: cloud.endpoint, region: null, iamEndpoint: `${iam.endpoint}/iam/` }
    return createAuth({ book, home, transport, logger, now: () => clock.now })
  }
  return {
    iam,
    cloud,
    authOf,
    /** The time by which credentials end and locks are over, in milliseconds. */
    clock,
    client: (auth: Auth) => clients.open(cloud.endpoint, { auth }),
    /** Everything logged so far. */
    log: () => lines.join(''),
    close: async () => {
      await clients.closeAll()
      await transport.close()
      await Promise.all([iam.close(), cloud.close()])
    },
  }
}

/** The headers of a reading call of a project. */
export const headersFor = (auth: Auth, projectId = 'p1') =>
  auth.headersFor({
    projectId,
    method: 'GET',
    path: `/v1/${projectId}/instances`,
    query: [],
    headers: { host: 'cloud.example' },
    body: new Uint8Array(),
  })

/** As IAM writes times. */
export const endsIn = (seconds: number) =>
  new Date(Date.now() + seconds * 1000).toISOString().replace('Z', '000Z')

/** IAM's answer with a token for whatever is asked for. */
export const token: Script = (socket, arrival) => {
  const scope = JSON.parse(arrival.body).auth.scope
  const body = { token: { expires_at: endsIn(86_400), project: scope.project } }
  const name = scope.project?.id ?? scope.domain.name
  answer(201, body, { 'X-Subject-Token': `token-of-${name}` })(socket, arrival)
}

export const keysAnswer = () => ({
  credential: { access: 'TMPAK', secret: 'Canary-tmp', securitytoken: 'Canary-st', expires_at: endsIn(3600) },
})
