import { z } from 'zod'

/** What the events say, kind by kind. The README lists them. */

const dateTime = z.iso.datetime({ precision: 3 })
const ids = { project_id: z.string(), request_id: z.string() }
const failure = z.strictObject({ code: z.string(), message: z.string() })

/** As CloudDC lists it, with its names; what it does not say is null. */
const networkInterface = z.strictObject({
  subnet_id: z.string().nullable(),
  ipv4_address: z.string().nullable(),
})
export type NetworkInterface = z.infer<typeof networkInterface>

/** The data of each kind of event. */
export const eventDataSchemas = {
  'request.accepted': z.strictObject({ ...ids, state: z.string() }),
  'request.rejected': z.strictObject({
    ...ids,
    code: z.string(),
    detail: z.array(z.strictObject({ path: z.string(), message: z.string() })),
  }),
  'request.dispatched': z.strictObject({
    ...ids,
    instance_ids: z.array(z.string()),
    attempt: z.int().min(1),
  }),
  'request.uncertain': z.strictObject({ ...ids, attempt: z.int().min(1), reason: z.string() }),
  'request.completed': z.strictObject({
    ...ids,
    state: z.enum(['running', 'partially_running', 'failed', 'expired', 'cancelled']),
    counts: z.strictObject({
      min: z.int(),
      max: z.int(),
      created: z.int(),
      running: z.int(),
      failed: z.int(),
    }),
    error: failure.extend({ at: dateTime }).nullable(),
  }),
  'instance.running': z.strictObject({
    ...ids,
    instance_id: z.string(),
    name: z.string().nullable(),
    server_id: z.string().nullable(),
    network_interfaces: z.array(networkInterface),
    image_id: z.string().nullable(),
    running_at: dateTime,
  }),
  'instance.failed': z.strictObject({ ...ids, instance_id: z.string(), error: failure }),
}

export type EventKind = keyof typeof eventDataSchemas
export type EventData<Kind extends EventKind> = z.infer<(typeof eventDataSchemas)[Kind]>

export const EVENT_KINDS = Object.keys(eventDataSchemas) as EventKind[]

/** The schema of a whole event of one kind. */
export function eventSchema<Kind extends EventKind>(kind: Kind) {
  return z.strictObject({
    specversion: z.literal('1.0'),
    id: kind === 'request.rejected' ? z.uuidv7() : z.uuid({ version: 'v8' }),
    type: z.literal(`provisioner.${kind}`),
    source: z.string().startsWith('/v1/'),
    ...(kind.startsWith('instance.') ? { subject: z.string() } : {}),
    time: dateTime,
    datacontenttype: z.literal('application/json'),
    traceparent: z.string().optional(),
    tracestate: z.string().optional(),
    data: eventDataSchemas[kind],
  })
}
