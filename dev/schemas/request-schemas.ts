import { envelopeSchema } from '../../src/contracts/cloud-event.ts'
import type { JsonSchema } from '../../src/contracts/json-schema.ts'
import { REQUEST_ID, requestMessageSchema } from '../../src/contracts/request-schema.ts'
import { describeExceptions } from './exceptions.ts'
import { allNamed, type Bundle, describe } from './json-schema.ts'

/** What producers send: the order itself, or a CloudEvent around it. */

export const REQUEST_MESSAGE_ID = 'urn:provisioner:request-message:1'
export const REQUEST_CLOUD_EVENT_ID = 'urn:provisioner:request-cloud-event:1'

export function requestMessage(): Bundle {
  const { root, named } = describe(requestMessageSchema, { open: false })
  return { root: { ...root, $comment: describeExceptions() }, named }
}

export function requestCloudEvent(): Bundle {
  const message = requestMessage()
  const { root } = describe(envelopeSchema, { open: false })
  const properties = {
    ...(root.properties as JsonSchema),
    data: { $ref: `#/$defs/${message.root.title}` },
  }
  const withoutRequestId = { data: { type: 'object', properties: { request_id: { type: 'null' } } } }
  return {
    root: {
      ...root,
      properties,
      if: { properties: withoutRequestId },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { id: { type: 'string', pattern: REQUEST_ID.source } } },
    },
    named: allNamed(message),
  }
}
