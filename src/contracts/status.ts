import { z } from 'zod'
import { REQUEST_STATES } from '../request/provision-request.ts'
import { WAITING_REASONS } from '../request/waiting.ts'

/** The replies of the HTTP API. Serialised, every date is RFC 3339 UTC with milliseconds. */

const time = z.date()

export const requestStateSchema = z.enum(REQUEST_STATES).meta({
  id: 'RequestState',
  description: 'running, partially_running, failed, expired and cancelled are terminal',
})

export const instanceStateSchema = z.enum(['pending', 'running', 'failed']).meta({ id: 'InstanceState' })

const count = z.int().min(0)

const failure = z.object({ code: z.string(), message: z.string() })

const instanceFields = {
  id: z.string(),
  state: instanceStateSchema,
  name: z.string().nullable(),
  server_id: z.string().nullable(),
  created_at: time,
  running_at: time.nullable(),
  error: failure.nullable(),
}

export const waitingSchema = z
  .object({
    reason: z.enum(WAITING_REASONS),
    until: time.describe('When the request is looked at again; it may have to wait on after that'),
  })
  .meta({ id: 'Waiting' })

export const requestStatusSchema = z
  .object({
    project_id: z.string(),
    request_id: z.string(),
    state: requestStateSchema,
    counts: z.object({
      min: count.describe('Fewer servers than this are not worth having'),
      max: count.describe('Servers asked for'),
      created: count,
      running: count,
      failed: count,
    }),
    instances: z.array(z.object(instanceFields)),
    attempts: count.describe('Calls of batch-create that may have reached CloudDC'),
    waiting: waitingSchema.nullable().describe('What the request waits for, null when for nothing'),
    error: failure.extend({ at: time }).nullable(),
    created_at: time,
    updated_at: time,
    dispatched_at: time.nullable(),
    completed_at: time.nullable(),
  })
  .meta({ id: 'RequestStatus' })

export type RequestStatus = z.output<typeof requestStatusSchema>

export const requestListSchema = z
  .object({
    requests: z.array(requestStatusSchema).describe('Newest first'),
    next_marker: z.string().nullable().describe('The `marker` of the next page, null on the last one'),
  })
  .meta({ id: 'RequestList' })

export type RequestList = z.output<typeof requestListSchema>

export const instanceSchema = z
  .object({
    ...instanceFields,
    project_id: z.string(),
    request_id: z.string(),
    upstream_state: z.string().nullable().describe("CloudDC's own word for the state, as last seen"),
    request: requestStatusSchema,
  })
  .meta({ id: 'Instance' })

export type InstanceReply = z.output<typeof instanceSchema>

const evidence = z
  .record(z.string(), z.unknown())
  .nullable()
  .describe('HTTP status, error code and message, what was found')

const transitionSchema = z.object({
  kind: z.literal('transition'),
  time,
  cause: z.string(),
  evidence,
  from: requestStateSchema.nullable(),
  to: requestStateSchema,
  attempt: z.int().nullable().describe('Number of the attempt behind the change'),
})

const attemptSchema = z.object({
  kind: z.literal('attempt'),
  time: time.describe('When the attempt was recorded, just before its call'),
  cause: z.string(),
  evidence,
  attempt: z.int().describe('1, 2, ... over all attempts of the request'),
  attempt_id: z.string().describe("The marker in the instances' metadata"),
  state: z.enum(['in_flight', 'created', 'not_created', 'uncertain', 'adopted', 'void']),
  upstream_request_id: z
    .string()
    .nullable()
    .describe(
      "CloudDC's id of the call (X-Request-Id), which its support asks for; null when no answer named one",
    ),
  finished_at: time.nullable(),
  reconcile_at: time.nullable().describe('The next look for instances of this attempt'),
})

export const historySchema = z
  .object({
    project_id: z.string(),
    request_id: z.string(),
    history: z
      .array(z.discriminatedUnion('kind', [transitionSchema, attemptSchema]))
      .describe('Oldest first'),
    truncated: z.boolean().describe('Whether the oldest entries were left out of a very long history'),
  })
  .meta({ id: 'History' })

export type History = z.output<typeof historySchema>
export type HistoryEntry = History['history'][number]

export const healthSchema = z.object({ status: z.literal('ok') }).meta({ id: 'Health' })

export const readinessSchema = z
  .object({ status: z.literal('ready'), checks: z.record(z.string(), z.literal('ok')) })
  .meta({ id: 'Readiness' })

/** RFC 9457. `type` is about:blank, so `title` is that of the status; `code` tells the cases apart. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string().optional(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('The faults of a request, or the reasons of a 503'),
  })
  .meta({ id: 'Problem' })

export type Problem = z.output<typeof problemSchema>
