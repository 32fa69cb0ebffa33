import { REASON_LENGTH } from '../contracts/operations.ts'
import { PROJECT_ID, REQUEST_ID, REQUEST_ID_RULE } from '../contracts/request-schema.ts'
import { parseDateTime } from '../contracts/rfc3339.ts'

/** An option, or an argument that stands by its place. */
export interface Option<Value> {
  /** What stands for its value in the help, such as `<seconds>`; null for a switch. */
  readonly shows: string | null
  readonly says: string
  readonly isRequired: boolean
  /** Throws an InvalidValue. `undefined` where it is not given; never for one that is required. */
  read(given: string | undefined): Value
}

export type Options = Readonly<Record<string, Option<unknown>>>
export type Values<Some extends Options> = {
  [Name in keyof Some]: Some[Name] extends Option<infer Value> ? Value : never
}

/** Thrown by what reads a value; tells what it must be. */
export class InvalidValue extends Error {
  override readonly name = 'InvalidValue'
}

export const flag = (says: string): Option<boolean> => ({
  shows: null,
  says,
  isRequired: false,
  read: (given) => given !== undefined,
})

/** A value that may be absent; without `parse` its text. */
export function value(shows: string, says: string): Option<string | undefined>
export function value<Value>(
  shows: string,
  says: string,
  parse: (text: string) => Value,
): Option<Value | undefined>
export function value(
  shows: string,
  says: string,
  parse: (text: string) => unknown = (text) => text,
): Option<unknown> {
  const read = (given: string | undefined) => (given === undefined ? undefined : parse(given))
  return { shows: `<${shows}>`, says, isRequired: false, read }
}

export function required<Value>(option: Option<Value | undefined>): Option<Value> {
  return { ...option, isRequired: true, read: (given) => option.read(given) as Value }
}

export function byDefault<Value>(option: Option<Value | undefined>, fallback: Value): Option<Value> {
  return { ...option, read: (given) => option.read(given) ?? fallback }
}

/** What `parse` makes of a text that has to look like `pattern`. */
const matching = (pattern: RegExp, rule: string) => (text: string) => {
  if (!pattern.test(text)) throw new InvalidValue(rule)
  return text
}

export const readProject = matching(PROJECT_ID, 'must have 1 to 64 of: letters, digits, _ -')
export const project = required(value('project', 'id of the CloudDC project', readProject))
export const someProject = value('project', 'only of this project', readProject)
export const readRequest = matching(REQUEST_ID, REQUEST_ID_RULE)
export const request = required(value('request', "the sender's id of the request", readRequest))

export const reason = required(
  value('text', `why, for the audit: ${REASON_LENGTH.min} to ${REASON_LENGTH.max} characters`, (text) => {
    const { length } = text.trim()
    if (length >= REASON_LENGTH.min && length <= REASON_LENGTH.max) return text.trim()
    throw new InvalidValue(`must have ${REASON_LENGTH.min} to ${REASON_LENGTH.max} characters`)
  }),
)

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidValue(`must be a whole number from ${min} to ${max}`)
  }
}

/** Above 0; fractions allowed. */
export function positiveNumber(text: string): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (number > 0 && Number.isFinite(number)) return number
  throw new InvalidValue('must be a number above 0')
}

export const list = (text: string): string[] => {
  const names = text.split(',').map((name) => name.trim())
  if (names.includes('')) throw new InvalidValue('must be one or more words with commas between them')
  return names
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `90s`, `30m`, `2h` or `7d`, in milliseconds; null where the text is none. */
function durationMs(text: string): number | null {
  const [, count, unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? []
  return count === undefined ? null : Number(count) * (SECONDS[unit] ?? 0) * 1000
}

/** An instant as RFC 3339, or so long before now (`direction` -1) or after (1), as ISO text. */
export function instant(direction: -1 | 1, now: () => number = Date.now): (text: string) => string {
  const example = direction < 0 ? '2h (so long ago)' : '2h (from now)'
  return (text) => {
    const ms = durationMs(text)
    const time = ms === null ? parseDateTime(text) : new Date(now() + direction * ms)
    if (time === null) throw new InvalidValue(`must be a time such as 2026-11-23T12:00:00Z, or ${example}`)
    return time.toISOString()
  }
}

export const duration = (text: string): number => {
  const ms = durationMs(text)
  if (ms === null || ms === 0) throw new InvalidValue('must be a duration such as 90s, 30m or 2h')
  return ms
}
