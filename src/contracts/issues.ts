import type { z } from 'zod'
import { type Fault, joinPath } from './fault.ts'

/**
 * The issues of a schema as faults, one for each unknown key; no value of `input` is in them. `prefix` is where
 * `input` stands in the message.
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  prefix: readonly PropertyKey[],
): Fault[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: joinPath([...path, key]), message: 'unknown key' }))
    }
    const isOfType = issue.code !== 'invalid_type' && issue.code !== 'invalid_value'
    if (!isOfType && isAbsent(input, issue.path)) return { path: joinPath(path), message: 'is missing' }
    return {
      path: joinPath(path),
      message: issue.code === 'invalid_type' ? typeMessage(issue) : issue.message,
    }
  })
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'must be a string',
  number: 'must be a number',
  int: 'must be a whole number',
  object: 'must be an object',
  record: 'must be an object',
  array: 'must be an array',
}

function typeMessage(issue: z.core.$ZodIssueInvalidType): string {
  // A message that the schema gives itself does not begin like zod's own.
  if (!issue.message.startsWith('Invalid input')) return issue.message
  return TYPE_NAMES[issue.expected] ?? issue.message
}

/** Whether the member at `path` is not there, or null: A16, null on a mandatory member means missing. */
function isAbsent(input: unknown, path: readonly PropertyKey[]): boolean {
  let value = input
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return false
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return path.length > 0 && (value === undefined || value === null)
}
