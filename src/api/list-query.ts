import { z } from 'zod'
import { told } from '../contracts/reply-members.ts'
import { REQUEST_ID } from '../contracts/request-schema.ts'
import { REQUEST_STATES, type RequestState } from '../request/provision-request.ts'
import { DEFAULT_LIMIT, instant, limitIfAny, marker } from './parameters.ts'

/** What the query of a list holds: filters, the size of its pages, and where the next one begins. */

/** Ids of one query: they come in its line, which holds 16 KiB. */
const MAX_REQUEST_IDS = 100

const isState = (text: string): text is RequestState => REQUEST_STATES.some((state) => state === text)

/** Values with commas between them, each once. */
const commaSeparated = (description: string, example: string) =>
  z
    .string()
    .meta(told(description, example))
    .transform((text) => [...new Set(text.split(','))])

const states = commaSeparated('Only requests in these states, comma separated', 'failed,expired').transform(
  (names, context) => {
    if (names.every(isState)) return names
    context.addIssue(`must be one or more of ${REQUEST_STATES.join(', ')}, comma separated`)
    return z.NEVER
  },
)

const requestIds = commaSeparated(
  'Only these requests: at most 100 ids, comma separated. All fit into one page, unless `limit` says otherwise; those ' +
    'that the project does not have are left out',
  'order-7f3c,order-7f3d',
)
  .refine(
    (ids) => ids.every((id) => REQUEST_ID.test(id)),
    'must be ids of 1-128 of [A-Za-z0-9._:~-], comma separated',
  )
  .refine((ids) => ids.length <= MAX_REQUEST_IDS, `must be at most ${MAX_REQUEST_IDS} ids`)

const plainText = (description: string, example: string) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(255, 'must have at most 255 characters')
    .refine((text) => !/\p{Cc}/u.test(text), 'must have no control characters')
    .meta(told(description, example))

export const listQuery = z
  .strictObject({
    state: states.optional(),
    request_id: requestIds.optional(),
    created_after: instant('Only requests with a later `created_at`').optional(),
    created_before: instant('Only requests with an earlier `created_at`').optional(),
    error_code: plainText('Only requests that ended with this `error.code`', 'provision_timeout').optional(),
    correlation_id: plainText('Only requests with this correlation id', 'trace-42').optional(),
    limit: limitIfAny.describe(
      `Requests per page; by default ${DEFAULT_LIMIT}, or as many as \`request_id\` names`,
    ),
    marker: marker.optional(),
  })
  .transform((query) => ({ ...query, limit: query.limit ?? query.request_id?.length ?? DEFAULT_LIMIT }))
