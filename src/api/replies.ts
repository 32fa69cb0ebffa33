import { STATUS_CODES } from 'node:http'
import type { z } from 'zod'
import { type Problem, problemSchema } from '../contracts/status.ts'
import { PROBLEM_TYPE } from './problem.ts'

/** A reply of a route, for its schema; the headers as JSON schemas. */
export interface DocumentedReply<Schema extends z.ZodType> {
  description: string
  headers?: Readonly<Record<string, object>>
  content: Readonly<Record<string, { schema: Schema; example: unknown }>>
}

export interface DocumentedProblem {
  description: string
  code: string
  detail: string
  errors?: Problem['errors']
  headers?: Readonly<Record<string, object>>
}

export const RETRY_AFTER = {
  'retry-after': { type: 'string', description: 'Seconds after which to ask again', examples: ['1'] },
}
const ALLOW = {
  allow: { type: 'string', description: 'The methods that this path answers', examples: ['GET, HEAD'] },
}

/** Of replies that can be asked for again with If-None-Match. */
export const TAGGED = {
  etag: {
    type: 'string',
    description: 'Weak entity tag: the same as long as the reply says the same',
    examples: ['W/"Rk1y7nOqS2dZ0bVw8xLh3A"'],
  },
}

export const NOT_MODIFIED = {
  description: 'The client has this reply: its tag is in `If-None-Match`. No body',
  headers: TAGGED,
  content: {},
} as const

const PROBLEMS = {
  400: {
    description: 'A parameter is not valid; `errors` lists the faults',
    code: 'invalid_request',
    detail: 'the path is not valid',
    errors: [{ path: 'project_id', message: 'must be 1-64 of [A-Za-z0-9_-]' }],
  },
  404: {
    description: 'The project has nothing of this id',
    code: 'not_found',
    detail: 'project project-1 has no provision request order-7f3c',
  },
  405: {
    description: 'Any other method at this path',
    code: 'method_not_allowed',
    detail: 'this path answers GET, HEAD',
    headers: ALLOW,
  },
  413: {
    description: 'A body of more than 64 KiB; none is needed',
    code: 'invalid_request',
    detail: 'Request body is too large',
  },
  503: {
    description: 'Not now: the database does not answer, or too many ask or wait at once',
    code: 'database_unavailable',
    detail: 'the database does not answer',
    headers: RETRY_AFTER,
  },
} satisfies Record<number, DocumentedProblem>

type ProblemStatus = keyof typeof PROBLEMS

/** The problems that a route may answer with; every path answers 405 to a method that it does not have. */
export function problemReplies(
  statuses: readonly ProblemStatus[],
): Record<string, DocumentedReply<typeof problemSchema>> {
  return Object.fromEntries(
    [...statuses, 405 as const].map((status) => [status, problemReply(status, PROBLEMS[status])]),
  )
}

/** A reply of one content type with its example. */
export function reply<Schema extends z.ZodType>(
  description: string,
  schema: Schema,
  example: unknown,
  contentType = 'application/json',
): DocumentedReply<Schema> {
  return { description, content: { [contentType]: { schema, example } } }
}

/** One problem with its example. */
export function problemReply(
  status: number,
  problem: DocumentedProblem,
): DocumentedReply<typeof problemSchema> {
  const { description, headers, ...members } = problem
  const example: Problem = { type: 'about:blank', title: STATUS_CODES[status] ?? '', status, ...members }
  return { ...reply(description, problemSchema, example, PROBLEM_TYPE), ...(headers ? { headers } : {}) }
}
