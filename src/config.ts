import { z } from 'zod'
import type { AccessRules } from './access/access-file.ts'
import { listenerFaults, readAccess } from './access-settings.ts'
import { CREDENTIAL_ID, type Credentials } from './clouddc/auth/credentials.ts'
import { REGION, regionalCloudDc } from './clouddc/regions.ts'
import { contradictions } from './contradictions.ts'
import { readCredentials, strangerFaults, targetFaults } from './credential-settings.ts'
import { type Environment, present, valuesOf, withNamesOfTheSdk } from './environment.ts'
import {
  addresses,
  baseUrl,
  code,
  days,
  duration,
  fraction,
  headerText,
  hostNames,
  integer,
  integerOrNull,
  limitsBy,
  onOrOff,
  optionalKeys,
  overrides,
  path,
  projects,
  roles,
  secretKeys,
  url,
} from './setting-kinds.ts'
import { addressesWithTls } from './tls-settings.ts'

/** Thrown when the environment does not make a configuration; the message lists every fault, one per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`the environment has faults:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

export type { Environment } from './environment.ts'
export { type CallLimitOverride, ROLES, type Role } from './setting-kinds.ts'

/**
 * Every setting: its name in the environment, its default, its bounds and what it means. The configuration has the
 * same names in camelCase. A setting of SECRETS may also come as NAME_FILE, the path of a file that holds it.
 */
const SETTINGS = {
  /** Postgres. Required. In the configuration with DATABASE_CA_FILE among its parameters. */
  DATABASE_URL: url('postgres:', 'postgresql:'),
  /** RabbitMQ, with its virtual host. Required. In the configuration with the files of TLS among its parameters. */
  AMQP_URL: url('amqp:', 'amqps:'),
  /** Base URL of the CloudDC API. Required, unless a region gives it. */
  CLOUDDC_ENDPOINT: baseUrl,
  /** Static `X-Auth-Token`. */
  CLOUDDC_AUTH_TOKEN: headerText,
  /** Keys that sign the calls instead of a token; the security token is that of temporary keys. */
  CLOUDDC_ACCESS_KEY: headerText,
  CLOUDDC_SECRET_KEY: headerText,
  CLOUDDC_SECURITY_TOKEN: headerText,
  /** Path of a JSON file with the credentials of projects; followed when it changes. */
  CLOUDDC_CREDENTIALS_FILE: path,
  /** The region of projects for which the credentials file names none. */
  CLOUDDC_REGION: code(REGION, 'must be a region, such as cn-southwest-2'),
  /** Base URL of IAM in that region. */
  IAM_ENDPOINT: baseUrl.nullable().default(null),
  /** Whether calls may go over `http:`, or without any credential, to others than this machine. */
  CLOUDDC_INSECURE: onOrOff(false),
  /** `id:base64(32 bytes)` list, comma separated; the first seals, all open. Required. */
  SECRET_KEYS: secretKeys,

  /** As SECRET_KEYS: keys of the password digests that outlive a request. By default there are none. */
  DIGEST_KEYS: optionalKeys,
  /** Whether passwords may come as they are (`any`), or only as `password_jwe` (`sealed_only`). */
  PASSWORDS: z.enum(['any', 'sealed_only'], 'must be any or sealed_only').default('any'),
  /** Whether dead letters keep every byte, plain passwords included. */
  DEAD_LETTER_EXACT: onOrOff(false),

  /** Paths of the authorities that are trusted instead of the usual ones, PEM, read at the start. */
  DATABASE_CA_FILE: path,
  /** This one, and those of the certificate that is shown to the broker, are read again at each connection. */
  AMQP_CA_FILE: path,
  AMQP_CERT_FILE: path,
  AMQP_KEY_FILE: path,
  /** For CloudDC and IAM, in all regions. */
  CLOUDDC_CA_FILE: path,

  /** Calls per second of each project, shared by all replicas; fractions allowed. */
  RATE_LIMIT_PER_SECOND: fraction(5),
  /** Calls at once of each project; at least 1, or no call could ever be made. */
  RATE_LIMIT_BURST: fraction(10, { min: 1 }),
  /** Projects with a limit of their own, as JSON: `{"<project_id>":{"per_second":..,"burst":..}}`. */
  RATE_LIMIT_OVERRIDES: overrides,
  /** Credentials with a limit that their projects share, as JSON: `{"<credential id>":{"per_second":..,"burst":..}}`. */
  CREDENTIAL_RATE_LIMITS: limitsBy(CREDENTIAL_ID, 'is no credential id'),
  /** Whether the rate drops when CloudDC throttles below the configured limit, and recovers slowly. */
  RATE_ADAPTIVE: onOrOff(false),
  /** Part of the call budget set aside for readiness polling, in percent. */
  READINESS_SHARE_PERCENT: fraction(2, { max: 50 }),

  /** Whether orders go only by a reading of their project's ready servers. */
  PREFLIGHT: onOrOff(true),

  /** batch-create calls in flight per replica. */
  DISPATCH_CONCURRENCY: integer(32, 1, 10_000),
  /** The longest a call to CloudDC may take, headers and body. */
  CALL_TIMEOUT_MS: duration(30_000),
  /** Attempts that may have reached CloudDC; throttling and unreachable upstreams cost none. */
  MAX_ATTEMPTS: integer(8, 1, 1000),
  /** How long an unanswered attempt is looked for before it counts as not created. */
  RECONCILE_SETTLE_MS: duration(60_000),
  /** After this, attempts whose reconciler died in mid-look are looked at again. */
  RECONCILE_INTERVAL_MS: duration(5000),

  /** Readiness polling interval per instance, growing from the one to the other. */
  POLL_MIN_MS: duration(5000),
  POLL_MAX_MS: duration(60_000),
  /** Whether instances are polled when they are likely to run, by how long those of their image took so far. */
  POLL_LEARNING: onOrOff(true),
  /** An instance not running by then has failed (`provision_timeout`). */
  PROVISION_TIMEOUT_MS: duration(3_600_000),

  /** The work of a replica silent for this long is taken over. */
  LEASE_MS: duration(30_000, 100),
  /** What this process does: `all`, or a comma separated list of ROLES. */
  ROLES: roles,

  /** Projects that may order: `*`, or a comma separated list. */
  PROJECTS: projects,
  /** Open requests of one project at most; null for any number. */
  MAX_OPEN_REQUESTS: integerOrNull(1, 100_000_000),
  /** The most messages stored by one insert. */
  INTAKE_BATCH_SIZE: integer(200, 1, 5000),
  /** Unacknowledged deliveries per replica; the broker caps unlimited prefetch at 2,000. */
  INTAKE_PREFETCH: integer(1000, 1, 65_535),
  /** Deliveries of one message before it is dead-lettered (`delivery_limit`); RabbitMQ 4 deletes it after 20. */
  DELIVERY_LIMIT: integer(18, 2, 1_000_000),
  /** Events published and not yet confirmed, per replica. */
  OUTBOX_WINDOW: integer(1000, 1, 100_000),

  /** Connections of this replica to Postgres. */
  DATABASE_POOL_SIZE: integer(10, 2, 1000),
  /** How long ended requests stay readable with their history. */
  RETENTION_DAYS: days(30),
  /** How long an ended request's key still identifies duplicates and conflicts. */
  IDEMPOTENCY_DAYS: days(90),

  /** Where HTTP listens; port 0 takes a free one. */
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(8080, 0, 65_535),
  /** Certificate with its chain, and its key, as PEM: HTTPS instead of HTTP. Followed when they change. */
  HTTP_CERT_FILE: path,
  HTTP_KEY_FILE: path,
  /** Where /metrics is served to everybody; by default it is on PORT, for callers with the role `metrics`. */
  METRICS_PORT: integer(0, 1, 65_535).nullable().default(null),
  /** Path of a JSON file that says who may use the API; followed when it changes. */
  API_ACCESS_FILE: path,
  /** `open`: without that file everybody may do everything, wherever HOST is. */
  API_ACCESS: z.enum(['open'], 'must be open, or be left out').nullable().default(null),
  /** Names by which clients may address the API, beside addresses and localhost. */
  API_HOSTS: hostNames,
  /** HTTP requests of one caller to one replica; ten seconds' worth may come at once. */
  API_RATE_LIMIT_PER_SECOND: fraction(100, { min: 0.1 }),
  /** Addresses whose `X-Forwarded-*` count. */
  TRUSTED_PROXIES: addresses,
  /** The least level that is logged. */
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** How long a graceful stop may take after SIGTERM or SIGINT. */
  SHUTDOWN_GRACE_MS: duration(20_000),
}

/** Settings of earlier versions. */
const FORMER_SETTINGS = ['UNROUTABLE_EVENT_TTL_MS'] as const

/** Given as files, these are reread when they change, so the configuration keeps the paths too. */
const REREAD_SECRETS = [
  'CLOUDDC_AUTH_TOKEN',
  'CLOUDDC_ACCESS_KEY',
  'CLOUDDC_SECRET_KEY',
  'CLOUDDC_SECURITY_TOKEN',
] as const
const SECRETS = ['DATABASE_URL', 'AMQP_URL', 'SECRET_KEYS', 'DIGEST_KEYS', ...REREAD_SECRETS] as const

const schema = z.object(SETTINGS)

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Rest}`
  ? `${Lowercase<Head>}${Capitalize<CamelCase<Rest>>}`
  : Lowercase<Name>

type RereadSecret = CamelCase<(typeof REREAD_SECRETS)[number]>

/** The settings in camelCase, the credentials, and the paths of the secrets that came as files and are reread. */
export type Config = Readonly<
  { [Name in keyof typeof SETTINGS as CamelCase<Name>]: z.output<(typeof SETTINGS)[Name]> } & {
    secretFiles: Readonly<Partial<Record<RereadSecret, string>>>
    /** What the settings and the credentials file give, as read at the start. */
    credentials: Credentials
    /** What the access file says, as read at the start; null: everybody may do everything. */
    accessRules: AccessRules | null
  }
>

/**
 * Reads the configuration out of an environment. An empty variable counts as absent, an unknown one is ignored. A process that
 * serves no HTTP does not ask who may use it.
 * @throws {ConfigError} with all faults at once, never with a secret's value
 */
export function loadConfig(given: Environment, { serves = true }: { serves?: boolean } = {}): Config {
  const env = withNamesOfTheSdk(given)
  const { values, faults } = valuesOf(env, Object.keys(SETTINGS), SECRETS)
  const region = values.CLOUDDC_REGION
  if (region !== undefined && REGION.test(region)) values.CLOUDDC_ENDPOINT ??= regionalCloudDc(region)
  const parsed = schema.safeParse(values)
  for (const issue of parsed.error?.issues ?? []) {
    const [name, ...path] = issue.path.map(String)
    // One fault per secret is enough: its file could not be read, so it is not also missing.
    if (faults.some((fault) => fault.startsWith(`${name}_FILE:`) || fault.startsWith(`${name}:`))) continue
    faults.push(`${[name, ...path].join('.')}: ${issue.message}`)
  }
  if (parsed.data !== undefined) faults.push(...contradictions(parsed.data))
  if (parsed.data === undefined) throw new ConfigError(faults)

  const config = Object.fromEntries(
    Object.entries(parsed.data).map(([name, value]) => [camelCase(name), value]),
  )
  const files = REREAD_SECRETS.map((name) => [camelCase(name), present(env, `${name}_FILE`)] as const)
  const secretFiles = Object.fromEntries(files.filter(([, path]) => path !== undefined))
  const plain = { ...config, secretFiles } as Omit<Config, 'credentials' | 'accessRules'>
  const { faults: tlsFaults, ...addresses } = addressesWithTls(plain)
  faults.push(...tlsFaults)
  const settings = { ...plain, ...addresses }
  const read = readCredentials(settings)
  faults.push(...read.faults)
  if (read.faults.length === 0) {
    faults.push(...targetFaults(settings, read.credentials))
    faults.push(...strangerFaults(settings, read.credentials))
  }
  const access = serves ? readAccess(settings) : { rules: null, faults: [] }
  faults.push(...access.faults, ...(serves ? listenerFaults(settings) : []))
  if (faults.length > 0) throw new ConfigError(faults)
  return Object.freeze({ ...settings, credentials: read.credentials, accessRules: access.rules })
}

/** The settings in `env` that an earlier version knew, and that do nothing any more. */
export function settingsWithoutEffect(env: Environment): string[] {
  return FORMER_SETTINGS.filter((name) => present(env, name) !== undefined)
}

function camelCase(name: string): string {
  return name.toLowerCase().replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}
