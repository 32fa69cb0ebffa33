import { z } from 'zod'
import { ENVELOPE_NAMES } from './cloud-event.ts'
import { parseDateTime } from './rfc3339.ts'
import { SPEC_NAMES, specSchema } from './spec.ts'

export const PROJECT_ID = /^[A-Za-z0-9_-]{1,64}$/
export const REQUEST_ID = /^[A-Za-z0-9._:~-]{1,128}$/
export const REQUEST_ID_RULE = 'must have 1 to 128 of: letters, digits, . _ : ~ -'

/** The body of a request message; optional members may be null, which means absent. */
export const requestMessageSchema = z.strictObject({
  request_id: z.string().regex(REQUEST_ID, REQUEST_ID_RULE).nullish(),
  project_id: z.string().regex(PROJECT_ID, 'must have 1 to 64 of: letters, digits, _ -'),
  spec: specSchema,
  priority: z
    .int('must be a whole number from 0 to 9')
    .min(0, 'must be a whole number from 0 to 9')
    .max(9, 'must be a whole number from 0 to 9')
    .nullish(),
  deadline: z
    .string()
    .refine((text) => parseDateTime(text) !== null, 'must be an RFC 3339 date-time with an offset')
    .nullish()
    .meta({ format: 'date-time' }),
})

/** Every name that a message may have by its contract, wherever it stands. */
export const CONTRACT_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(requestMessageSchema.shape),
  ...SPEC_NAMES,
  ...ENVELOPE_NAMES,
])
