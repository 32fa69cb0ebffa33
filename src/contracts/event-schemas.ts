import { z } from 'zod'
import { REJECTION_CODES } from './rejection-code.ts'
import { count, projectId, requestId, text, textOrNull, told } from './reply-members.ts'

/** What the events say, kind by kind. The README lists them; `npm run schemas` writes them to schemas/. */

const EXAMPLE_V7 = '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'
const EXAMPLE_V8 = '0a1b2c3d-4e5f-8a6b-9c7d-8e9f0a1b2c3d'
const EXAMPLE_INSTANCE = '5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'
const EXAMPLE_TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const time = (description: string) =>
  z.iso.datetime({ precision: 3 }).meta({
    ...told(`${description}; UTC with milliseconds`, '2026-11-23T12:00:01.250Z'),
    pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$',
  })
const ids = { project_id: projectId, request_id: requestId }
const attempt = z.int().min(1).meta(told('Number of the attempt: 1, 2, ...', 1))
const instanceId = text("CloudDC's id of the instance", EXAMPLE_INSTANCE)
const failureMembers = {
  code: text("CloudDC's error code, or one of this service", 'provision_timeout'),
  message: text('The reason in words', 'the instance was not running 3600000 ms after its creation'),
}

/** As CloudDC lists it, with its names; what it does not say is null. */
const networkInterface = z
  .strictObject({
    subnet_id: textOrNull(
      'Its subnet; null where CloudDC does not say',
      'f2b1d3f4-6c5d-4a43-8d0e-6a1d3b2c4e5f',
    ),
    ipv4_address: textOrNull('Its address; null where CloudDC does not say', '192.168.0.17'),
  })
  .meta({ title: 'InterfaceOfInstance', description: 'A network interface, as CloudDC lists it' })
export type NetworkInterface = z.infer<typeof networkInterface>

/** The data of each kind of event. */
export const eventDataSchemas = {
  'request.accepted': z
    .strictObject({ ...ids, state: text('The state it begins in', 'queued') })
    .meta({ description: 'A request was stored' }),
  'request.rejected': z
    .strictObject({
      ...ids,
      code: text(`Why: ${REJECTION_CODES.join(', ')}; more may come`, 'invalid_request'),
      detail: z
        .array(
          z
            .strictObject({
              path: text(
                'The member at fault, from the top of the body; empty for the whole',
                'spec.min_count',
              ),
              message: text('What is wrong with it', 'must be a whole number from 1 to 100'),
            })
            .meta({ title: 'Fault', description: 'One thing that is wrong with the message' }),
        )
        .describe('Every fault of the message, without any of its values'),
    })
    .meta({ description: 'A message went to the dead letters; its ids could be read' }),
  'request.dispatched': z
    .strictObject({
      ...ids,
      instance_ids: z.array(z.string()).meta(told("CloudDC's ids of the instances", [EXAMPLE_INSTANCE])),
      attempt,
    })
    .meta({
      description: 'CloudDC took the order, or was found to have it; again for instances found later',
    }),
  'request.uncertain': z
    .strictObject({ ...ids, attempt, reason: text('What hides the outcome', 'timeout') })
    .meta({ description: 'The outcome of an attempt is unknown; it is being looked for' }),
  'request.completed': z
    .strictObject({
      ...ids,
      state: z
        .enum(['running', 'partially_running', 'failed', 'expired', 'cancelled'])
        .meta(told('How it ended', 'running')),
      counts: z
        .strictObject({
          min: count('Ordered at the least', 1),
          max: count('Ordered at the most', 3),
          created: count('Created', 3),
          running: count('Of these, running', 3),
          failed: count('Of these, failed', 0),
        })
        .meta({ title: 'InstanceCounts', description: 'Numbers of instances' }),
      error: z
        .strictObject({ ...failureMembers, at: time('When it ended') })
        .meta({ title: 'RequestError', description: 'Why it ended other than ordered' })
        .nullable()
        .describe('Why it ended other than ordered; null where it did not'),
    })
    .meta({ description: 'A request reached a final state' }),
  'instance.running': z
    .strictObject({
      ...ids,
      instance_id: instanceId,
      name: textOrNull('Its name in CloudDC', 'web-0001'),
      server_id: textOrNull(
        'The physical server; null only where CloudDC has not named one in time',
        'a3d9a1de-4c6f-47c8-8d0b-fd1f0d1f7c21',
      ),
      network_interfaces: z.array(networkInterface).describe('Its interfaces, as far as CloudDC lists them'),
      image_id: textOrNull('The installed image', '7d3cbb2a-a3a4-4d29-94a5-1b26fb1b6b25'),
      running_at: time('When it was first seen running'),
    })
    .meta({ description: 'An instance runs' }),
  'instance.failed': z
    .strictObject({
      ...ids,
      instance_id: instanceId,
      error: z
        .strictObject(failureMembers)
        .meta({ title: 'InstanceError', description: 'Why the instance does not run' }),
    })
    .meta({ description: 'An instance ended other than running' }),
}

export type EventKind = keyof typeof eventDataSchemas
export type EventData<Kind extends EventKind> = z.infer<(typeof eventDataSchemas)[Kind]>

export const EVENT_KINDS = Object.keys(eventDataSchemas) as EventKind[]
/** Kinds that are sent again on demand: a rejection belongs to no stored request. */
export const REPLAYED_KINDS = EVENT_KINDS.filter((kind) => kind !== 'request.rejected')

/** The URN of the schema of a kind's data, which its events name. The version changes with what breaks readers. */
export function dataSchemaOf<Kind extends EventKind>(kind: Kind): `urn:provisioner:${Kind}:1` {
  return `urn:provisioner:${kind}:1`
}

/** The schema of a whole event of one kind: CloudEvents 1.0, structured mode. */
export function eventSchema<Kind extends EventKind>(kind: Kind) {
  const subject = text('The id of the instance', EXAMPLE_INSTANCE)
  const [id, example] =
    kind === 'request.rejected' ? [z.uuidv7(), EXAMPLE_V7] : [z.uuid({ version: 'v8' }), EXAMPLE_V8]
  return z.strictObject({
    specversion: z.literal('1.0'),
    id: id.meta(told('The same whenever this event is sent again: what to tell copies by', example)),
    type: z.literal(`provisioner.${kind}`),
    source: z
      .string()
      .regex(/^\/v1\//)
      .meta(told('The path of the request in the HTTP API', '/v1/project-1/provision-requests/order-7f3c')),
    ...(kind.startsWith('instance.') ? { subject } : {}),
    time: time('When it happened, on the clock of the database'),
    datacontenttype: z.literal('application/json'),
    dataschema: z.literal(dataSchemaOf(kind)),
    traceparent: text('As the request brought it along (W3C Trace Context)', EXAMPLE_TRACE).optional(),
    tracestate: text('As the request brought it along (W3C Trace Context)', 'vendor=1').optional(),
    data: eventDataSchemas[kind],
  })
}
