import { STATUS_CODES } from 'node:http'
import type { Problem } from '../contracts/status.ts'

export const PROBLEM_TYPE = 'application/problem+json'

export interface Fault {
  path: string
  message: string
}

export interface ProblemFields {
  status: number
  /** Tells the cases of one status apart; fixed words, for programs. */
  code: string
  detail?: string | undefined
  errors?: readonly Fault[] | undefined
  /** Members of this problem alone. */
  extensions?: Readonly<Record<string, unknown>> | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/** Thrown by a route; becomes the RFC 9457 reply. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly fields: ProblemFields

  constructor(fields: ProblemFields) {
    super(fields.detail ?? fields.code)
    this.fields = fields
  }
}

export function problemDocument({ status, code, detail, errors, extensions }: ProblemFields): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors: [...errors] }),
    ...extensions,
  }
}

export const notFound = (detail: string) => new ProblemError({ status: 404, code: 'not_found', detail })
