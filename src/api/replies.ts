import type { z } from 'zod'
import { problemSchema } from '../contracts/status.ts'
import { PROBLEM_TYPE } from './problem.ts'

const PROBLEMS = {
  400: 'A parameter is not valid; `errors` lists the faults',
  404: 'Unknown',
  503: 'Not now: the database does not answer, or too many ask or wait at once; `Retry-After` says when again',
} as const

/** The replies of a route, for its schema: success as described, and the problems it may answer with. */
export function replies<Schema extends z.ZodType>(
  success: Schema,
  description: string,
  problems: readonly (keyof typeof PROBLEMS)[],
) {
  const documented = problems.map((status) => [
    status,
    { description: PROBLEMS[status], content: { [PROBLEM_TYPE]: { schema: problemSchema } } },
  ])
  return {
    200: { description, content: { 'application/json': { schema: success } } },
    ...Object.fromEntries(documented),
  }
}
