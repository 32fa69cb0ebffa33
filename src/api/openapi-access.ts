import type { FastifySchema } from 'fastify'
import { isProbe } from '../access/foreign.ts'
import { type Rule, ruleOf } from '../access/who-may.ts'
import { problemReplies, problemReply, RETRY_AFTER } from './replies.ts'

/** How callers say who they are. */
export const SECURITY_SCHEMES = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of the access file, or a token (JWT) of an issuer that it names',
  },
} as const

const UNAUTHORIZED = problemReply(401, {
  description: 'No credential, or one that is not valid here',
  code: 'unauthorized',
  detail: 'the credential is not valid here, or not any more',
  headers: {
    'www-authenticate': {
      type: 'string',
      description: 'How to authenticate',
      examples: ['Bearer realm="provisioner"'],
    },
  },
})
const FORBIDDEN = problemReply(403, {
  description:
    'The role or the project is missing, whether the project exists or not; or a foreign page asks',
  code: 'forbidden',
  detail: 'the credential does not allow this, or not for this project',
})
const TOO_MANY = problemReply(429, {
  description: 'The caller asks too often, or waits for too many replies at once',
  code: 'too_many_requests',
  detail: 'more than 100 requests per second',
  headers: RETRY_AFTER,
})

const PROJECTS = {
  path: ', for this project',
  all: ', for all projects',
}

/** The schema of an operation with who may use it, and with the replies to all others. */
export function withAccess(
  schema: FastifySchema,
  { method, url }: { method: string; url: string },
): FastifySchema {
  const rule = ruleOf(method, url)
  const { response, description } = schema
  const refusals = {
    ...(rule?.role == null ? {} : { 401: UNAUTHORIZED }),
    403: FORBIDDEN,
    ...(isProbe(url) ? {} : { 429: TOO_MANY }),
    // Only where a token may have to be judged, which an issuer's silence prevents.
    ...(rule?.role == null ? {} : problemReplies([503])),
  }
  return {
    ...schema,
    ...(description === undefined || rule?.role == null
      ? {}
      : { description: `${description} ${needs(rule)}` }),
    security: rule?.role == null ? [] : [{ bearer: [] }],
    response: { ...refusals, ...(response as object | undefined) },
  }
}

function needs({ role, project }: Rule): string {
  return `Needs the role \`${role}\`${project === null ? '' : PROJECTS[project]}.`
}
