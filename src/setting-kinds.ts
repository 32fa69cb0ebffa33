import { z } from 'zod'
import { isAddressRange } from './access/addresses.ts'
import { PROJECT_ID } from './access/caller.ts'
import { parseSecretKeys, type SecretKey } from './secrets/seal.ts'

/** The kinds of values that settings have in the environment, where everything is text. */

export const ROLES = ['intake', 'dispatch', 'readiness', 'outbox', 'api', 'maintenance'] as const
export type Role = (typeof ROLES)[number]

/** The longest delay a timer takes, in milliseconds; beyond it Node fires at once. */
const MAX_MS = 2 ** 31 - 1

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`))

export const integer = (fallback: number, min: number, max: number) => wholeNumber(min, max).default(fallback)

export const integerOrNull = (min: number, max: number) => wholeNumber(min, max).nullable().default(null)

/** Milliseconds. */
export const duration = (fallback: number, min = 1) => integer(fallback, min, MAX_MS)

export const days = (fallback: number) => integer(fallback, 1, 36_500)

/** A number above 0; fractions are allowed. */
export const fraction = (
  fallback: number,
  { min = 0, max = 1_000_000 }: { min?: number; max?: number } = {},
) =>
  z
    .string()
    .regex(/^\d*\.?\d+$/, 'must be a number, such as 5 or 0.5')
    .transform(Number)
    .refine((value) => value > 0 && value >= min, min > 0 ? `must be at least ${min}` : 'must be above 0')
    .refine((value) => value <= max, `must be at most ${max}`)
    .default(fallback)

export const url = (...protocols: string[]) =>
  z.string('is required').superRefine((text, context) => {
    const parsed = URL.parse(text)
    if (parsed === null) context.addIssue('is no URL')
    else if (!protocols.includes(parsed.protocol)) {
      context.addIssue(`must be a URL with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`)
    } else if (parsed.hostname === '' && !parsed.searchParams.has('host')) context.addIssue('names no host')
  })

/** Base URL without a slash at its end. */
export const baseUrl = url('http:', 'https:')
  .superRefine((text, context) => {
    const parsed = URL.parse(text)
    if (parsed === null) return
    if (parsed.username !== '' || parsed.password !== '') context.addIssue('must not hold credentials')
    if (parsed.search !== '' || parsed.hash !== '') context.addIssue('must not hold a query or a fragment')
  })
  .transform((text) => text.replace(/\/+$/, ''))

/** A word of a known form. */
export const code = (form: RegExp, fault: string) => z.string().regex(form, fault).nullable().default(null)

/** A secret that is sent in a header. */
export const headerText = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
  .nullable()
  .default(null)

export const secretKeys = z.string('is required').transform((text, context): SecretKey[] => {
  try {
    return parseSecretKeys(text)
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : 'cannot be read')
    return z.NEVER
  }
})

/** The same, and none by default. */
export const optionalKeys = secretKeys.default([])

const ownLimit = z.strictObject({
  per_second: z.number().positive().max(1_000_000),
  burst: z.number().min(1).max(1_000_000),
})

export interface CallLimitOverride {
  perSecond: number
  burst: number
}

/** Limits of their own by id, as JSON: `{"<id>":{"per_second":..,"burst":..}}`. */
export const limitsBy = (id: RegExp, fault: string) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue('is not JSON')
        return z.NEVER
      }
    })
    .pipe(z.record(z.string().regex(id, fault), ownLimit))
    .transform(
      (limits): ReadonlyMap<string, CallLimitOverride> =>
        new Map(
          Object.entries(limits).map(([key, { per_second, burst }]) => [
            key,
            { perSecond: per_second, burst },
          ]),
        ),
    )
    .default(new Map())

export const overrides = limitsBy(PROJECT_ID, 'is no project id')

/** `*` for all projects. */
export const projects = z
  .string()
  .transform((text, context): ReadonlySet<string> | '*' => {
    const names = text.split(',').map((name) => name.trim())
    if (names.length === 1 && names[0] === '*') return '*'
    if (!names.every((name) => PROJECT_ID.test(name))) {
      context.addIssue('must be "*" or project ids, comma separated')
      return z.NEVER
    }
    return new Set(names)
  })
  .default('*')

export const roles = z
  .string()
  .transform((text) => text.split(',').map((role) => role.trim()))
  .transform((names, context): ReadonlySet<Role> => {
    if (names.length === 1 && names[0] === 'all') return new Set(ROLES)
    const unknown = names.filter((name) => !ROLES.some((role) => role === name))
    if (unknown.length > 0) context.addIssue(`must be "all" or any of ${ROLES.join(', ')}, comma separated`)
    return new Set(names as Role[])
  })
  .default(new Set(ROLES))

export const onOrOff = (fallback: boolean) =>
  z
    .stringbool({
      truthy: ['on', 'true', 'yes', '1'],
      falsy: ['off', 'false', 'no', '0'],
      error: 'must be on or off',
    })
    .default(fallback)

/** A comma-separated list, of which each entry has a known form. */
const list = (isEntry: (entry: string) => boolean, fault: string) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    )
    .refine((entries) => entries.every(isEntry), fault)
    .default([])

const HOST_NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i

/** Names of hosts, without a port. */
export const hostNames = list(
  (entry) => HOST_NAME.test(entry),
  'must be host names without a port, comma separated',
)

/** Addresses and ranges of them. */
export const addresses = list(
  isAddressRange,
  'must be addresses or ranges such as 10.0.0.0/8, comma separated',
)

export const path = z.string().nullable().default(null)
