import { z } from 'zod'
import type { Fault } from './fault.ts'
import { parseDateTime } from './rfc3339.ts'

/** Incoming CloudEvents 1.0 in structured mode. An optional attribute may be null, which means absent. */

const text = z.string().min(1, 'must not be empty')

const envelopeSchema = z.looseObject({
  specversion: z.literal('1.0', 'must be "1.0"'),
  id: text,
  source: text,
  type: text,
  subject: text.nullish(),
  time: z
    .string()
    .refine((time) => parseDateTime(time) !== null, 'must be an RFC 3339 date-time')
    .nullish(),
  datacontenttype: z
    .string()
    .regex(/^\s*[a-z]+\/([^;\s]+\+)?json\s*(;|$)/i, 'must be a JSON type')
    .nullish(),
  dataschema: text.nullish(),
  data: z.record(z.string(), z.unknown(), 'must be an object'),
  data_base64: z.null('is not accepted: the data must be an object').optional(),
})

const KNOWN = new Set(Object.keys(envelopeSchema.shape))
const ATTRIBUTE_NAME = /^[a-z0-9]+$/

/** What is wrong with the envelope; the data is checked elsewhere. Extension attributes are allowed. */
export function envelopeIssues(envelope: Record<string, unknown>): {
  issues: readonly z.core.$ZodIssue[]
  faults: Fault[]
} {
  const faults: Fault[] = []
  for (const [name, value] of Object.entries(envelope)) {
    if (KNOWN.has(name)) continue
    if (!ATTRIBUTE_NAME.test(name)) faults.push({ path: name, message: 'unknown key' })
    else if (typeof value === 'object' && value !== null) {
      faults.push({ path: name, message: 'an extension attribute must be a string, a number or a boolean' })
    }
  }
  return { issues: envelopeSchema.safeParse(envelope).error?.issues ?? [], faults }
}
