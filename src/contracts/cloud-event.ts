import { z } from 'zod'
import type { Findings } from './fault.ts'
import { describeIssues } from './issues.ts'
import { isPlainObject } from './plain-object.ts'
import { told } from './reply-members.ts'
import { DATE_TIME, parseDateTime } from './rfc3339.ts'

/** Incoming CloudEvents 1.0 in structured mode. An optional attribute may be null, which means absent. */

const text = z.string().min(1, 'must not be empty')

/** Written without a flag, so that it means the same in a JSON schema. */
const JSON_TYPE = /^\s*[A-Za-z]+\/([^;\s]+\+)?[Jj][Ss][Oo][Nn]\s*(;|$)/

const ATTRIBUTE_NAME = /^[a-z0-9]{1,255}$/

/** The attributes that the specification gives; its keywords tell of extensions, which are judged below. */
export const envelopeSchema = z
  .object({
    specversion: z.literal('1.0', 'must be "1.0"'),
    id: text.meta(told('Stands in for a missing data.request_id, and must have its form then', 'order-7f3c')),
    source: text.meta(told('What sends the order', '/shop')),
    type: text.meta(told('Any word of yours', 'shop.order.placed')),
    subject: text.nullish().meta(told('Of no effect', 'order-7f3c')),
    time: z
      .string()
      .refine((time) => parseDateTime(time) !== null, 'must be an RFC 3339 date-time')
      .meta({ format: 'date-time', pattern: DATE_TIME.source })
      .nullish()
      .meta(told('Of no effect', '2026-11-23T12:00:00Z')),
    datacontenttype: z
      .string()
      .regex(JSON_TYPE, 'must be a JSON type')
      .nullish()
      .meta(told('A JSON type', 'application/json')),
    dataschema: text.nullish().meta(told('Of no effect', 'urn:provisioner:request-message:1')),
    data: z.custom<Record<string, unknown>>(isPlainObject, 'must be an object'),
    data_base64: z
      .null('is not accepted: the data must be an object')
      .optional()
      .meta(told('Not accepted', null)),
  })
  .meta({
    title: 'ProvisionRequestCloudEvent',
    description: 'An order of servers as a CloudEvent 1.0 in structured mode',
    propertyNames: { pattern: `${ATTRIBUTE_NAME.source}|^data_base64$` },
    additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
  })

/** The names of the attributes that the specification gives. */
export const ENVELOPE_NAMES = Object.keys(envelopeSchema.shape)

const KNOWN = new Set(ENVELOPE_NAMES)

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
