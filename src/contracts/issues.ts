import type { z } from 'zod'
import type { Findings, Step } from './fault.ts'

/**
 * Adds the issues of a schema to the findings: one for each unknown key, and nothing more about a value of the wrong
 * type than that. No value of `input` is in them. `prefix` is where `input` stands in the message.
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  prefix: readonly string[],
  findings: Findings,
): void {
  const told = new Set<string>()
  /** Rules of length are checked on whatever has a length, also where the type is wrong. */
  const mistyped = new Set(issues.filter(isTypeIssue).map(placeOf))
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys') {
      addUnknownKeys(issue, input, prefix, findings)
      continue
    }
    const place = placeOf(issue)
    if (mistyped.has(place) && !isTypeIssue(issue)) continue
    const message = messageOf(issue, input)
    if (told.has(place + message)) continue
    told.add(place + message)
    findings.add(() => [...prefix, ...stepsOf(issue.path, input)], message)
  }
}

/** For safeParse: without it, zod writes every unknown key into a message that nobody reads. */
export const briefMessage: z.core.$ZodErrorMap = ({ code }) =>
  code === 'unrecognized_keys' ? 'unknown key' : undefined

const placeOf = ({ path }: z.core.$ZodIssue) => JSON.stringify(path)

function isTypeIssue({ code }: z.core.$ZodIssue): boolean {
  return code === 'invalid_type'
}

function addUnknownKeys(
  { path, keys }: z.core.$ZodIssueUnrecognizedKeys,
  input: unknown,
  prefix: readonly string[],
  findings: Findings,
): void {
  const parent = stepsOf(path, input)
  const siblings = Object.keys(Object(valueAt(path, input)))
  let place = -1
  for (const [index, name] of keys.entries()) {
    if (findings.full()) {
      findings.skip(keys.length - index)
      return
    }
    // The schema names them in their order, so that each is looked for behind the one before.
    place = siblings.indexOf(name, place + 1)
    findings.add([...prefix, ...parent, { name, place }], 'unknown key')
  }
}

/** The steps of a path; each name with its place. */
function stepsOf(path: readonly PropertyKey[], input: unknown): Step[] {
  return path.map((key, index) => {
    if (typeof key === 'number') return key
    const siblings = Object.keys(Object(valueAt(path.slice(0, index), input)))
    return { name: String(key), place: siblings.indexOf(String(key)) }
  })
}

function valueAt(path: readonly PropertyKey[], input: unknown): unknown {
  let value = input
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  int: 'must be a whole number',
  object: 'must be an object',
  record: 'must be an object',
  array: 'must be an array',
}

function messageOf(issue: z.core.$ZodIssue, input: unknown): string {
  const isOfType = issue.code !== 'invalid_type' && issue.code !== 'invalid_value'
  if (!isOfType && isAbsent(input, issue.path)) return 'is missing'
  // A message that the schema gives itself does not begin like zod's own.
  if (issue.code !== 'invalid_type' || !issue.message.startsWith('Invalid input')) return issue.message
  return TYPE_NAMES[issue.expected] ?? issue.message
}

/** Whether the member at `path` is not there, or null: A16, null on a mandatory member means missing. */
function isAbsent(input: unknown, path: readonly PropertyKey[]): boolean {
  const parent = valueAt(path.slice(0, -1), input)
  if (path.length === 0 || typeof parent !== 'object' || parent === null) return false
  return (valueAt(path, input) ?? null) === null
}
