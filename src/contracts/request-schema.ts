import { z } from 'zod'
import { ENVELOPE_NAMES } from './cloud-event.ts'
import { told } from './reply-members.ts'
import { DATE_TIME, parseDateTime } from './rfc3339.ts'
import { SPEC_NAMES, specSchema } from './spec.ts'

export const PROJECT_ID = /^[A-Za-z0-9_-]{1,64}$/
export const REQUEST_ID = /^[A-Za-z0-9._:~-]{1,128}$/
export const REQUEST_ID_RULE = 'must have 1 to 128 of: letters, digits, . _ : ~ -'

const PRIORITY_RULE = 'must be a whole number from 0 to 9'

/** The body of a request message; optional members may be null, which means absent. */
export const requestMessageSchema = z
  .strictObject({
    request_id: z
      .string()
      .regex(REQUEST_ID, REQUEST_ID_RULE)
      .nullish()
      .meta(
        told(
          'Your id of the order, unique within its project. May be absent when the AMQP property message_id, ' +
            'or the id of the CloudEvent around this object, can serve',
          'order-7f3c',
        ),
      ),
    project_id: z
      .string()
      .regex(PROJECT_ID, 'must have 1 to 64 of: letters, digits, _ -')
      .meta(told('The CloudDC project', 'project-1')),
    spec: specSchema,
    priority: z
      .int(PRIORITY_RULE)
      .min(0, PRIORITY_RULE)
      .max(9, PRIORITY_RULE)
      .nullish()
      .meta(told('Higher goes first within its project; absent means 0', 0)),
    when_not_ready: z
      .enum(['fail', 'wait'], 'must be "fail" or "wait"')
      .nullish()
      .meta(
        told(
          'What becomes of an order that too few servers are ready for: it ends (fail, as if absent), or stays queued ' +
            'until they are (wait)',
          'fail',
        ),
      ),
    deadline: z
      .string()
      .refine((text) => parseDateTime(text) !== null, 'must be an RFC 3339 date-time with an offset')
      .meta({ format: 'date-time', pattern: DATE_TIME.source })
      .nullish()
      .meta(told('RFC 3339 time after which the order is not dispatched', '2026-11-23T12:00:00Z')),
  })
  .meta({ title: 'ProvisionRequest', description: 'An order of servers' })

/** Every name that a message may have by its contract, wherever it stands. */
export const CONTRACT_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(requestMessageSchema.shape),
  ...SPEC_NAMES,
  ...ENVELOPE_NAMES,
])
