import { z } from 'zod'

/**
 * The simulator's knobs. Each key is an option of `createSimulator` and, in upper snake case behind `SIM_`,
 * an environment variable of `npm run simulator` (`bootMinMs` is `SIM_BOOT_MIN_MS`). `README.md` lists
 * them. Durations are milliseconds, probabilities are 0 to 1.
 */
/** At most what a timer can wait, nearly 25 days. */
export const ms = z.number().min(0).max(2_147_483_647)
const dayMs = 86_400_000
const probability = z.number().min(0).max(1)
const port = z.int().min(0).max(65535)

export const throttleForms = ['json', 'imetal', 'string', 'plain', 'empty'] as const
export type ThrottleForm = (typeof throttleForms)[number]

const shape = {
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 picks a free port. */
  port: port.default(0),
  /** Default: `port + 1`, or a free port when `port` is 0. */
  adminPort: port.optional(),
  /** Silence after which an idle client connection is closed. */
  keepAliveMs: ms.default(60_000),
  seed: z.int().default(1),

  serversPerProject: z.int().min(0).default(1000),
  /** The projects that exist; empty: any project, created on first sight. */
  projects: z.array(z.string().min(1)).default([]),
  /** Which VPC a subnet belongs to; a subnet not named here fits any VPC. */
  subnets: z.record(z.string(), z.string()).default({}),
  tooFewStatus: z.int().min(400).max(599).default(400),
  tooFewCode: z.string().default('iMetal.0101'),

  bootMinMs: ms.default(500),
  bootMaxMs: ms.default(2000),
  bootFailureProbability: probability.default(0),
  deleteMinMs: ms.default(200),
  deleteMaxMs: ms.default(500),
  /** A terminated instance leaves listings and status after this; absent: never. */
  terminatedVisibleMs: ms.optional(),

  limiterKind: z.enum(['none', 'token_bucket', 'fixed_window']).default('none'),
  /** Calls per second and project. */
  limiterRate: z.number().positive().default(200),
  /** Bucket size; default: the rate, at least 1. */
  limiterBurst: z.number().min(1).optional(),
  limiterWindowMs: z.number().positive().default(1000),
  /** Calls per fixed window; default: rate x window, at least 1. */
  limiterLimit: z.int().min(1).optional(),
  limitScope: z.enum(['all', 'create']).default('all'),
  /** false: count violations, refuse nothing. */
  limiterEnforce: z.boolean().default(true),
  /** Calls per second of each user, over all projects; absent: no limit. */
  userLimiterRate: z.number().positive().optional(),
  /** Default: that rate, at least 1. */
  userLimiterBurst: z.number().min(1).optional(),
  throttleForm: z.enum(throttleForms).default('json'),
  retryAfter: z.boolean().default(false),

  /** Default: `required` when `authTokens`, `aksk` or `iamUsers` are given, else `open`. */
  authMode: z.enum(['open', 'required']).optional(),
  authTokens: z.array(z.string().min(1)).default([]),
  /** `name:password` pairs for the IAM call; empty: any name with any password. */
  iamUsers: z.array(z.string().regex(/^[^:]+:.+$/s)).default([]),
  tokenLifeMs: ms.default(24 * 3_600_000),
  /** Who refuses a token: the gateway (APIGW.0301) or the service behind it (iMetal.0003). */
  tokenRefusal: z.enum(['gateway', 'service']).default('gateway'),
  /** `access key:secret key`, or with `:security token` behind them. */
  aksk: z.array(z.string().regex(/^[^:\s]+:[^:\s]+(:[^:\s]+)?$/)).default([]),
  /** How long a key is locked after five refused calls in a row. */
  akLockMs: ms.default(300_000),
  /** A refused signature is answered with the canonical request as the gateway built it. */
  quoteCanonical: z.boolean().default(true),
  /** Life of an issued temporary key, at most; callers of IAM may ask for less. */
  keyLifeMs: ms.default(24 * 3_600_000),
  /** `account/agency` that may be assumed; empty: any. */
  agencies: z.array(z.string().regex(/^.+\/[^/]+$/)).default([]),
  /** Identity providers whose id tokens count; empty: any. */
  idps: z.array(z.string().min(1)).default([]),
  /** The VM's metadata service: with sessions, the old one without, or with no agency set up. */
  metadata: z.enum(['sessions', 'plain', 'no_agency']).default('sessions'),
  /** A port of its own for IAM and metadata service; absent: that of the API. */
  iamPort: port.optional(),
  /** How far the cloud's clock is ahead of this machine's: for signatures, ends of credentials, and `Date`. */
  clockAheadMs: z.number().min(-dayMs).max(dayMs).default(0),
  region: z.string().min(1).default('cn-southwest-2'),
  /** Further regions, `name:port`, each on a port of its own. */
  regions: z.array(z.string().regex(/^[^:]+:\d{1,5}$/)).default([]),
  /** The region of a project; one that is not named is in whatever region it is called in. */
  projectRegions: z.record(z.string(), z.string()).default({}),

  visibleLateProbability: probability.default(0),
  visibleLateMinMs: ms.default(0),
  visibleLateMaxMs: ms.default(0),

  latencyMinMs: ms.default(0),
  latencyMaxMs: ms.default(0),

  /** Which calls the fault probabilities apply to: the two creating ones, or all. */
  faultScope: z.enum(['create', 'all']).default('create'),
  faultErrorBefore: probability.default(0),
  faultErrorAfter: probability.default(0),
  faultCutBefore: probability.default(0),
  faultCutAfter: probability.default(0),
  faultCutHalf: probability.default(0),
  /** Listings only, whatever `faultScope` says: a page shorter than asked for. */
  faultTruncate: probability.default(0),
  /** Batch-creates only: a 202 that lies about what was made. */
  faultMisname: probability.default(0),
  /** The statuses that `faultErrorBefore` and `faultErrorAfter` choose from. */
  faultStatuses: z.array(z.int().min(500).max(599)).min(1).default([500]),
}

const schema = z.strictObject(shape)

export const knobs = Object.keys(shape) as (keyof SimulatorOptions)[]

export type SimulatorOptions = z.input<typeof schema>
export type Settings = z.output<typeof schema>

/** The region that a project is in, where it is named; projects may be called like members of any object. */
export const regionOf = ({ projectRegions }: Settings, project: string): string | undefined =>
  Object.hasOwn(projectRegions, project) ? projectRegions[project] : undefined

const ranges = [
  ['bootMinMs', 'bootMaxMs'],
  ['deleteMinMs', 'deleteMaxMs'],
  ['visibleLateMinMs', 'visibleLateMaxMs'],
  ['latencyMinMs', 'latencyMaxMs'],
] as const

/**
 * Fills defaults and checks every value; throws one `Error` that lists all faults. Where only one end of a range
 * is given the other follows it when it would cross. A rate without a kind of limiter means a token bucket.
 * With `base` the options are a change of those settings.
 */
export function resolveOptions(options: SimulatorOptions, base: Partial<Settings> = {}): Settings {
  const parsed = schema.safeParse({ ...base, ...options })
  if (!parsed.success) throw new Error(`simulator options: ${z.prettifyError(parsed.error)}`)
  const settings = parsed.data
  for (const [low, high] of ranges) {
    if (settings[low] <= settings[high]) continue
    if (options[high] === undefined) settings[high] = settings[low]
    else if (options[low] === undefined) settings[low] = settings[high]
    else throw new Error(`simulator options: ${low} is greater than ${high}`)
  }
  if (
    settings.limiterKind === 'none' &&
    options.limiterKind === undefined &&
    options.limiterRate !== undefined
  ) {
    settings.limiterKind = 'token_bucket'
  }
  return settings
}

export const envName = (key: string) => `SIM_${key.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`

/**
 * Reads options from an environment. Lists are comma separated, `SIM_SUBNETS` is JSON, switches are
 * `true`/`false`, `on`/`off`, `1`/`0`. An empty variable counts as absent. `unknown` names `SIM_` variables
 * that are no knob, so that a misspelt one does not pass in silence.
 */
export function optionsFromEnv(env: Readonly<Record<string, string | undefined>>): {
  options: SimulatorOptions
  unknown: string[]
} {
  const known = new Map(Object.entries(shape).map(([key, rule]) => [envName(key), { key, rule }]))
  const values: Record<string, unknown> = {}
  const unknown: string[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('SIM_')) continue
    const knob = known.get(name)
    if (!knob) unknown.push(name)
    else if (text !== undefined && text !== '') values[knob.key] = read(text, knob.rule)
  }
  return { options: values as SimulatorOptions, unknown }
}

/** The text as the type its rule wants; a text that does not fit stays text and is refused by the rule. */
function read(text: string, rule: z.ZodType): unknown {
  const inner = rule instanceof z.ZodDefault || rule instanceof z.ZodOptional ? rule.unwrap() : rule
  if (inner instanceof z.ZodNumber) return text.trim() === '' ? text : Number(text)
  if (inner instanceof z.ZodBoolean) {
    if (['true', 'on', '1'].includes(text)) return true
    return ['false', 'off', '0'].includes(text) ? false : text
  }
  if (inner instanceof z.ZodArray) {
    const parts = text.split(',').map((part) => part.trim())
    return inner.element instanceof z.ZodNumber ? parts.map(Number) : parts
  }
  if (!(inner instanceof z.ZodRecord)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
