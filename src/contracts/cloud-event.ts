import { z } from 'zod'
import type { Findings } from './fault.ts'
import { describeIssues } from './issues.ts'
import { parseDateTime } from './rfc3339.ts'
import { isPlainObject } from './spec.ts'

/** Incoming CloudEvents 1.0 in structured mode. An optional attribute may be null, which means absent. */

const text = z.string().min(1, 'must not be empty')

const envelopeSchema = z.object({
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
  data: z.custom<Record<string, unknown>>(isPlainObject, 'must be an object'),
  data_base64: z.null('is not accepted: the data must be an object').optional(),
})

/** The names of the attributes that the specification gives. */
export const ENVELOPE_NAMES = Object.keys(envelopeSchema.shape)

const KNOWN = new Set(ENVELOPE_NAMES)
const ATTRIBUTE_NAME = /^[a-z0-9]{1,255}$/

/** What is wrong with the envelope; the data is checked elsewhere. Extension attributes are allowed. */
export function findEnvelopeFaults(envelope: Record<string, unknown>, findings: Findings): void {
  describeIssues(envelopeSchema.safeParse(envelope).error?.issues ?? [], envelope, [], findings)
  for (const [place, name] of Object.keys(envelope).entries()) {
    if (KNOWN.has(name)) continue
    const value = envelope[name]
    if (!ATTRIBUTE_NAME.test(name)) findings.add([{ name, place }], 'unknown key')
    else if (typeof value === 'object' && value !== null) {
      const message = 'an extension attribute must be a string, a number or a boolean'
      findings.add([{ name, place }], message)
    }
  }
}
