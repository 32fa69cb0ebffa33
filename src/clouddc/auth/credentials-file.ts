import { z } from 'zod'
import { isLoopback, isReadable, REGION } from '../regions.ts'
import { CREDENTIAL_ID, type Credential, type Credentials, ENVIRONMENT_ID } from './credentials.ts'

const idSchema = z.string().regex(CREDENTIAL_ID, 'is no id of a credential')
const projectSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no project id')
const regionSchema = z.string().regex(REGION, 'is no region')
const headerSchema = z.string().regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
const nameSchema = z.string().min(1, 'must not be empty')
const pathSchema = z.string().min(1, 'must be a path')
const addressSchema = z.string().superRefine((text, context) => {
  const url = URL.parse(text)
  const plain = url !== null && url.username === '' && url.password === '' && url.search === ''
  if (!plain || !/^https?:$/.test(url.protocol)) context.addIssue('must be a plain http or https URL')
})

const localSchema = addressSchema.refine(
  (text) => !URL.canParse(text) || isLoopback(text),
  'must be an address of this machine',
)

const KINDS = {
  aksk: z.strictObject({
    kind: z.literal('aksk'),
    access_key: headerSchema,
    secret_key: headerSchema,
    security_token: headerSchema.optional(),
    domain_id: headerSchema.optional(),
  }),
  token: z.strictObject({ kind: z.literal('token'), token: headerSchema }),
  token_file: z.strictObject({ kind: z.literal('token_file'), path: pathSchema }),
  password: z.strictObject({
    kind: z.literal('password'),
    user: nameSchema,
    password: nameSchema,
    domain: nameSchema,
  }),
  agency: z.strictObject({ kind: z.literal('agency'), of: idSchema, domain: nameSchema, agency: nameSchema }),
  metadata: z.strictObject({ kind: z.literal('metadata'), endpoint: localSchema.optional() }),
  oidc: z.strictObject({ kind: z.literal('oidc'), idp_id: headerSchema, id_token_file: pathSchema }),
}
type Written = z.output<(typeof KINDS)[keyof typeof KINDS]>

const { aksk, token, token_file, password, agency, metadata, oidc } = KINDS
const credentialSchema = z.discriminatedUnion(
  'kind',
  [aksk, token, token_file, password, agency, metadata, oidc],
  { error: `must be an object whose kind is one of ${Object.keys(KINDS).join(', ')}` },
)

/** Who may act as an agency. */
const ACTING: readonly Written['kind'][] = ['aksk', 'metadata', 'token', 'token_file', 'password']

const projectMembers = z.strictObject({
  credential: idSchema.optional(),
  region: regionSchema.optional(),
})
const regionMembers = z.strictObject({
  endpoint: addressSchema.optional(),
  iam_endpoint: addressSchema.optional(),
})
const fileSchema = z.strictObject({
  version: z.int().positive(),
  credentials: z.record(idSchema, credentialSchema),
  default: idSchema.optional(),
  projects: z.record(projectSchema, projectMembers).default({}),
  regions: z.record(regionSchema, regionMembers).default({}),
})
type File = z.output<typeof fileSchema>

/** Thrown for a credentials file that makes no credentials. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('; '))
    this.faults = faults
  }
}

export interface ReadingOptions {
  /** The credential of the environment, which the file may refer to as `default`. */
  environment: Credential | null
  /** Whether addresses may be `http:` that are not of this machine. */
  insecure: boolean
}

/**
 * Reads a credentials file. Pure.
 *
 * @throws {CredentialsError} with all faults at once, by their place, never with a value that may be a secret
 */
export function parseCredentials(text: string, { environment, insecure }: ReadingOptions): Credentials {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    // The words of JSON.parse quote the text.
    const place = /line \d+ column \d+/.exec(String(error))?.[0]
    throw new CredentialsError([place === undefined ? 'is not JSON' : `is not JSON from ${place} on`])
  }
  const parsed = fileSchema.safeParse(json, { error: wordsOf })
  if (!parsed.success)
    throw new CredentialsError(parsed.error.issues.flatMap((issue) => faultsOf(issue, json)))
  const file = parsed.data
  const faults = [...contradictions(file, environment), ...(insecure ? [] : readableAddresses(file))]
  if (faults.length > 0) throw new CredentialsError(faults)
  return credentialsOf(file, environment)
}

const wordsOf = (issue: { code?: string; input?: unknown; expected?: unknown }) =>
  issue.code !== 'invalid_type'
    ? undefined
    : issue.input === undefined
      ? 'is missing'
      : `must be of type ${String(issue.expected)}`

/** Unknown members are not named: a secret may stand where a name belongs. */
function faultsOf(issue: z.core.$ZodIssue, json: unknown): string[] {
  const place = issue.path.map(String).join('.')
  const words =
    issue.code === 'unrecognized_keys'
      ? `has a member that is not known; there are ${membersAt(issue.path, json).join(', ')}`
      : issue.code === 'invalid_key'
        ? (issue.issues[0]?.message ?? 'is no name')
        : issue.message
  return [place === '' ? words : `${place}: ${words}`]
}

/** The members that an object of the file may have. */
function membersAt([part, name]: PropertyKey[], json: unknown): string[] {
  if (part === 'credentials') {
    const { credentials } = json as { credentials: Record<PropertyKey, { kind: keyof typeof KINDS }> }
    const kind = name === undefined ? undefined : credentials[name]?.kind
    return kind === undefined ? [] : Object.keys(KINDS[kind].shape)
  }
  if (part === 'projects') return Object.keys(projectMembers.shape)
  return Object.keys(part === 'regions' ? regionMembers.shape : fileSchema.shape)
}

function contradictions(file: File, environment: Credential | null): string[] {
  const faults: string[] = []
  const known = (id: string) =>
    Object.hasOwn(file.credentials, id) || (environment !== null && id === ENVIRONMENT_ID)
  if (environment !== null && Object.hasOwn(file.credentials, ENVIRONMENT_ID))
    faults.push(`credentials.${ENVIRONMENT_ID}: the environment has a credential of this id`)
  for (const [id, credential] of Object.entries(file.credentials)) {
    if (credential.kind !== 'agency') continue
    if (!known(credential.of)) faults.push(`credentials.${id}.of: there is no such credential`)
    else if (!ACTING.includes(file.credentials[credential.of]?.kind ?? 'aksk'))
      faults.push(`credentials.${id}.of: must be of one of the kinds ${ACTING.join(', ')}`)
  }
  if (Object.keys(file.credentials).length === 0 && environment === null)
    faults.push('credentials: there is none')
  if (file.default !== undefined && !known(file.default)) faults.push('default: there is no such credential')
  for (const [project, { credential }] of Object.entries(file.projects)) {
    if (credential !== undefined && !known(credential))
      faults.push(`projects.${project}.credential: there is no such credential`)
  }
  return faults
}

function readableAddresses({ regions }: File): string[] {
  return Object.entries(regions).flatMap(([region, addresses]) =>
    Object.entries(addresses)
      .filter(([, address]) => address !== undefined && isReadable(address))
      .map(([name]) => `regions.${region}.${name}: must be https, or CLOUDDC_INSECURE be on`),
  )
}

function credentialsOf(file: File, environment: Credential | null): Credentials {
  const byId = new Map(Object.entries(file.credentials).map(([id, written]) => [id, credentialOf(written)]))
  if (environment !== null) byId.set(ENVIRONMENT_ID, environment)
  return {
    byId,
    defaultId: file.default ?? (byId.has(ENVIRONMENT_ID) ? ENVIRONMENT_ID : null),
    projects: new Map(
      Object.entries(file.projects).map(([project, { credential, region }]) => [
        project,
        { credential: credential ?? null, region: region ?? null },
      ]),
    ),
    regions: new Map(
      Object.entries(file.regions).map(([region, { endpoint, iam_endpoint }]) => [
        region,
        { endpoint: trimmed(endpoint), iamEndpoint: trimmed(iam_endpoint) },
      ]),
    ),
  }
}

function credentialOf(written: Written): Credential {
  switch (written.kind) {
    case 'aksk':
      return {
        kind: 'aksk',
        accessKey: { value: written.access_key },
        secretKey: { value: written.secret_key },
        securityToken: written.security_token === undefined ? null : { value: written.security_token },
        ...(written.domain_id === undefined ? {} : { domainId: written.domain_id }),
      }
    case 'token':
      return { kind: 'token', token: { value: written.token } }
    case 'token_file':
      return { kind: 'token', token: { file: written.path } }
    case 'oidc':
      return { kind: 'oidc', idpId: written.idp_id, idTokenFile: written.id_token_file }
    case 'password':
    case 'agency':
      return written
    case 'metadata':
      return { kind: 'metadata', endpoint: trimmed(written.endpoint) }
  }
}

function trimmed(url: string | undefined): string | null {
  return url?.replace(/\/+$/, '') ?? null
}
