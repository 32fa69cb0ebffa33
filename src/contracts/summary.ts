import { z } from 'zod'
import { BLOCKED_REASONS } from '../request/waiting.ts'
import { count, projectId, requestId, time, timeOrNull, told } from './reply-members.ts'
import { waitingSchema } from './status.ts'

/** How a project stands. */

const requestsSchema = z
  .object({
    queued: count('Waiting for a token, a retry time or CloudDC', 12),
    dispatching: count('Whose call may be in progress', 2),
    uncertain: count('Whose attempt has an unknown outcome', 0),
    provisioning: count('Whose instances do not all run yet', 5),
    running: count('Ended, all created instances run', 940),
    partially_running: count('Ended, at least the minimum runs', 3),
    failed: count('Ended as failed', 7),
    expired: count('Ended by their deadline', 0),
    cancelled: count('Withdrawn', 1),
  })
  .meta({ id: 'RequestCounts', description: 'Requests by state, of those that are kept' })

const bucketSchema = z
  .object({
    level: z.number().meta(told('Calls that may be made at once now', 7.5)),
    rate: z.number().meta(told('Calls per second that flow in now', 5)),
    burst: z.number().meta(told('Calls at once, as they are configured or set', 10)),
    blocked_until: timeOrNull('No call before; null while the project is open'),
    blocked_reason: z
      .enum(BLOCKED_REASONS)
      .nullable()
      .meta(told('Why it is closed, or sends one probe at a time; null while it is open', 'throttled')),
    paused: z.boolean().meta(told('Whether an operator has paused the project, or all', false)),
    paused_until: timeOrNull('When the pause ends by itself; null for never, or without one'),
    overridden: z.boolean().meta(told('Whether an operator has set its limit', false)),
    override_until: timeOrNull('When that ends by itself; null for never, or without one'),
  })
  .meta({ id: 'Bucket', description: 'The call limit of a project, as all replicas share it' })

const oldestWaitingSchema = z
  .object({
    request_id: requestId,
    created_at: time('When it was stored'),
    waiting: waitingSchema.nullable().describe('What it waits for'),
  })
  .meta({ id: 'OldestWaiting', description: 'The request that has been queued for longest' })

const oldestUncertainSchema = z
  .object({
    request_id: requestId,
    since: time('When it became uncertain'),
  })
  .meta({ id: 'OldestUncertain', description: 'The request that has been uncertain for longest' })

const queueSchema = z
  .object({
    length: count('Requests in it', 312),
    seconds: z
      .number()
      .nullable()
      .meta(told('Until the last of them is expected to go out; null while nobody can know', 62.4)),
    computed_at: time('When this was reckoned'),
  })
  .meta({ id: 'Queue', description: "A project's queue, as it was some seconds ago" })

export const summarySchema = z
  .object({
    project_id: projectId,
    requests: requestsSchema.describe('How many requests are in each state'),
    counts_capped: z
      .boolean()
      .meta(
        told(
          'Whether counts stopped at 100,000 open or 10,000 ended requests: then each is at least this',
          false,
        ),
      ),
    bucket: bucketSchema
      .nullable()
      .describe('Its call limit; null for a project that never ordered, or not for long, and has no pause'),
    queue: queueSchema
      .nullable()
      .describe(
        'How long its queue is, in requests and in time; null where none wait, or not for seconds yet',
      ),
    oldest_waiting: oldestWaitingSchema.nullable().describe('The oldest queued request; null without any'),
    oldest_uncertain: oldestUncertainSchema
      .nullable()
      .describe('The oldest uncertain request; null without any'),
  })
  .meta({ id: 'Summary', description: 'How a project stands' })

export type Summary = z.output<typeof summarySchema>
