import { z } from 'zod'
import { told } from '../contracts/reply-members.ts'
import { PROJECT_ID, REQUEST_ID } from '../contracts/request-schema.ts'
import { parseDateTime } from '../contracts/rfc3339.ts'
import { REQUEST_STATES } from '../request/provision-request.ts'

/**
 * What paths and queries of the API hold. Unknown query keys are refused: a misspelt filter must not list everything.
 */

export const projectId = z
  .string()
  .regex(PROJECT_ID, 'must be 1-64 of [A-Za-z0-9_-]')
  .meta(told('The CloudDC project', 'project-1'))
export const requestId = z
  .string()
  .regex(REQUEST_ID, 'must be 1-128 of [A-Za-z0-9._:~-]')
  .meta(told("The sender's id of the request, unique within its project", 'order-7f3c'))
/** CloudDC's own ids: whatever is printable. */
export const instanceId = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1-255 printable ASCII characters')
  .meta(told("CloudDC's id of the instance", '5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'))

export const projectParams = z.object({ project_id: projectId })
export const requestParams = z.object({ project_id: projectId, request_id: requestId })
export const instanceParams = z.object({ project_id: projectId, instance_id: instanceId })

const state = z.enum(REQUEST_STATES)

export const MAX_WAIT_MS = 60_000

/** `<n>s` or `<n>ms`, as milliseconds. */
const wait = z
  .string()
  .regex(/^\d{1,6}(ms|s)$/, 'must be a duration such as 30s or 500ms')
  .meta({ examples: ['30s'] })
  .transform((text) => Number.parseInt(text, 10) * (text.endsWith('ms') ? 1 : 1000))
  .refine((milliseconds) => milliseconds <= MAX_WAIT_MS, 'must be at most 60s')
  .describe('Holds the reply until the state differs from `since` or is final; at most 60s')

export const statusQuery = z.strictObject({
  wait: wait.optional(),
  since: state
    .optional()
    .meta(
      told('The state already known to the client; by default the state when the request arrives', 'queued'),
    ),
})

/** Digits become a number; anything else stays text, which the schema then reports. */
const numberOfDigits = (value: unknown) =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value

export const DEFAULT_LIMIT = 50

const entries = z
  .int('must be a whole number between 1 and 200')
  .min(1, 'must be at least 1')
  .max(200, 'must be at most 200')
  .meta({ examples: [DEFAULT_LIMIT] })

export const limit = z.preprocess(numberOfDigits, entries.default(DEFAULT_LIMIT)).describe('Entries per page')

/** For a page whose size depends on what is asked for. */
export const limitIfAny = z.preprocess(numberOfDigits, entries.optional())

/** RFC 3339. */
export const instant = (description: string, example = '2026-11-23T12:00:00Z') =>
  z
    .string()
    .meta({ examples: [example] })
    .transform((text, context): Date => {
      const time = parseDateTime(text)
      if (time !== null) return time
      context.addIssue('must be an RFC 3339 time, such as 2026-11-23T12:00:00Z (in a query, + is %2B)')
      return z.NEVER
    })
    .describe(description)

export const marker = z
  .string()
  .meta({ examples: ['AZqwa28dfFKKPgt9UvHJqg'] })
  .transform((text, context) => {
    const id = markerToId(text)
    if (id !== null) return id
    context.addIssue('is no marker of this API')
    return z.NEVER
  })
  .describe('`next_marker` of the page before')

/** Of routes whose replies have a tag. Other headers pass. */
export const conditionalHeaders = z.looseObject({
  'if-none-match': z
    .string()
    .optional()
    .meta(
      told(
        'Tags of replies that the client has: if it is still one of them, the answer is 304',
        'W/"Rk1y7nOqS2dZ0bVw8xLh3A"',
      ),
    ),
})

/** The opaque marker of a page that ends with the entry of this id (a UUID). */
export function idToMarker(id: string): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')
}

/** The id in a marker, null if it is not a marker. */
export function markerToId(text: string): string | null {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== 16 || bytes.toString('base64url') !== text) return null
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
