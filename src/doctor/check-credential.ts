import type { Logger } from 'pino'
import type { Auth, CredentialRefusal, Method } from '../clouddc/auth/auth.ts'
import { createSources, type Sources } from '../clouddc/auth/create-sources.ts'
import {
  type Credential,
  type Credentials,
  credentialIdOf,
  kindOf,
  NO_CREDENTIAL,
} from '../clouddc/auth/credentials.ts'
import { createKeyAuth } from '../clouddc/auth/key-auth.ts'
import { createTokenAuth } from '../clouddc/auth/token-auth.ts'
import type { UpstreamClock } from '../clouddc/auth/upstream-clock.ts'
import { IamError, type IamTransport } from '../clouddc/iam/iam-call.ts'
import { coerceError } from '../runtime/errors.ts'
import { fileAge, lengthOf } from './ages.ts'
import type { Whereabouts } from './check-region.ts'
import { type Found, fault, ok, warning } from './finding.ts'
import { unreached } from './unreached.ts'

/** The longest that a user token lives. */
const TOKEN_LIFE_MS = 24 * 3_600_000

export interface CredentialOptions {
  projectId: string
  credentials: Credentials
  /** Path of the file that they came from; null for the environment. */
  file: string | null
  whereabouts: Whereabouts
  transport: IamTransport
  clock: UpstreamClock
  logger: Logger
}

/** How the doctor's own call is authenticated, and what became of that. */
export interface Proof {
  /** Null where calls are made without any credential. */
  id: string | null
  kind: string | null
  auth: Auth
  /** What the gateway has said against it last. */
  refusal(): CredentialRefusal | null
  /** When an answer last said what time it is, and ours then; both in milliseconds since 1970. */
  times(): { theirs: number; ours: number } | null
}

/** Whether a project has a credential, and whether what it shows can be had; from IAM it is asked for, once. */
export async function checkCredential(
  options: CredentialOptions,
): Promise<{ found: Found; proof: Proof | null }> {
  const { projectId, credentials, file, transport, clock, logger, whereabouts } = options
  const id = credentialIdOf(credentials, projectId)
  const credential = id === null ? undefined : credentials.byId.get(id)
  if (id === null || credential === undefined) {
    if (credentials.byId.size === 0)
      return {
        found: ok('none: calls are made without'),
        proof: proofBy(null, clock, { id: null, kind: null, shared: false }),
      }
    const next = 'name one for the project, or a default, in the file of CLOUDDC_CREDENTIALS_FILE'
    return { found: fault(`project ${projectId} has no credential`, next), proof: null }
  }
  const base = credential.kind === 'agency' ? (credentials.byId.get(credential.of) ?? null) : null
  const sources = createSources(credential, base, {
    transport,
    iamEndpointOf: () => whereabouts.iam,
    clock,
    now: () => performance.now(),
    logger,
  })
  const kind = kindOf(credential)
  const source = 'keys' in sources ? sources.keys : sources.tokenOf(projectId)
  try {
    await source.current()
  } catch (error) {
    return { found: refused(coerceError(error), { id, credential, ...options }), proof: null }
  }
  const words = [`${id}, ${kind}`, ageOf(credential, file), endOf(source.endsInMs?.() ?? null)]
  const found = ok(words.filter((word) => word !== null).join(', '))
  const proof = proofBy(methodOf(sources, clock, logger), clock, {
    id,
    kind,
    shared: 'keys' in sources || credential.kind === 'token',
  })
  const tooOld = tokenAge(credential)
  if (tooOld !== null && tooOld > TOKEN_LIFE_MS)
    return { found: warning(found.says, 'a user token lives 24 hours: renew the file'), proof }
  return { found, proof }
}

function methodOf(sources: Sources, clock: UpstreamClock, logger: Logger): Method {
  return 'keys' in sources
    ? createKeyAuth({ keys: sources.keys, clock, logger })
    : createTokenAuth({ sourceOf: sources.tokenOf, logger })
}

/** Authentication that fetches nothing anew when it is refused: one look is enough. */
function proofBy(
  method: Method | null,
  clock: UpstreamClock,
  { id, kind, shared }: { id: string | null; kind: string | null; shared: boolean },
): Proof {
  let refusal: CredentialRefusal | null = null
  let times: ReturnType<Proof['times']> = null
  const answered = (date: string | undefined) => {
    clock.answered(date)
    const theirs = date === undefined ? Number.NaN : Date.parse(date)
    if (!Number.isNaN(theirs)) times = { theirs, ours: Date.now() }
  }
  return {
    id,
    kind,
    auth: {
      headersFor: async (call) => (method === null ? {} : method.headersFor(call)),
      refused: async (_projectId, _used, told) => {
        refusal = told
        answered(told.date)
        return false
      },
      answered,
      credentialOf: () => id ?? NO_CREDENTIAL,
      isShared: () => shared,
    },
    refusal: () => refusal,
    times: () => times,
  }
}

/** What keeps its secret in a file of its own is as old as that. */
function ageOf(credential: Credential, credentialsFile: string | null): string | null {
  const own =
    credential.kind === 'token' && 'file' in credential.token
      ? credential.token.file
      : credential.kind === 'aksk' && 'file' in credential.secretKey
        ? credential.secretKey.file
        : null
  if (own !== null) return writtenAgo('its file', own)
  if (credential.kind === 'aksk' || credential.kind === 'token')
    return credentialsFile === null
      ? 'from the environment'
      : writtenAgo('the credentials file', credentialsFile)
  return 'fetched now'
}

function writtenAgo(what: string, path: string): string | null {
  const age = fileAge(path)
  return age === null ? null : `${what} is ${lengthOf(age)} old`
}

function tokenAge(credential: Credential): number | null {
  return credential.kind === 'token' && 'file' in credential.token ? fileAge(credential.token.file) : null
}

function endOf(endsInMs: number | null): string {
  return endsInMs === null ? 'no end known' : `ends in ${lengthOf(endsInMs)}`
}

interface Refused extends CredentialOptions {
  id: string
  credential: Credential
}

function refused(error: Error, { id, credential, projectId, whereabouts }: Refused): Found {
  const shown = SHOWN[credential.kind]
  if (!(error instanceof IamError)) {
    const why = error.cause instanceof Error ? ` (${error.cause.message})` : ''
    return fault(`credential ${id}: ${error.message}${why}`, `check ${shown.check}`)
  }
  const server = credential.kind === 'metadata' ? 'the metadata service' : 'IAM'
  const at = credential.kind === 'metadata' ? 'this machine' : whereabouts.iam
  if (error.status === null) {
    const found = unreached(
      { code: error.code, message: error.message },
      { what: server, at, settings: 'IAM_ENDPOINT or the region', caSetting: 'CLOUDDC_CA_FILE' },
    )
    if (found !== null && credential.kind !== 'metadata') return found
    return fault(found?.says ?? `credential ${id}: ${server}: ${error.message}`, `check ${shown.check}`)
  }
  const words = `${server} refuses ${shown.what} of credential ${id} (${error.message})`
  if (error.status === 401)
    return fault(words, `check ${shown.check}; wrong ones in a row lock it, so that more tries make it worse`)
  if (error.status === 429 || error.status >= 500)
    return fault(`${server} is in trouble (${error.message})`, 'wait, and run this again')
  return fault(
    words,
    `check the project id ${projectId}, its region, and that it may be used by ${shown.who}`,
  )
}

/** What each kind shows, what to look at when that is refused, and who it is. */
const SHOWN: Readonly<Record<Credential['kind'], { what: string; check: string; who: string }>> = {
  password: {
    what: 'the password',
    check: 'user, password and domain (the name of the account) in the credentials file',
    who: 'this user',
  },
  oidc: {
    what: 'the id token',
    check: 'idp_id, and that the file of id_token_file holds a token of now for that identity provider',
    who: 'this identity',
  },
  agency: {
    what: 'the agency',
    check: 'domain, agency, and that the credential in "of" may act for it (Agent Operator)',
    who: 'the agency',
  },
  metadata: {
    what: 'the agency',
    check: 'that this machine is an ECS with an agency (Cloud Service Agency)',
    who: "this machine's agency",
  },
  aksk: { what: 'the keys', check: 'access key and secret key, and their files', who: "the keys' user" },
  token: {
    what: 'the token',
    check: 'CLOUDDC_AUTH_TOKEN, or the file of the token: that it is there, and that the service may read it',
    who: "the token's user",
  },
}
