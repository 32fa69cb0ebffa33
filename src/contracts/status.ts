import { z } from 'zod'
import { WAITING_REASONS } from '../request/waiting.ts'
import {
  count,
  failureSchema,
  projectId,
  requestId,
  requestStateSchema,
  text,
  textOrNull,
  time,
  timeOrNull,
  told,
} from './reply-members.ts'

/** The replies of the HTTP API on requests, instances and the service itself, and its problems. */

const instanceStateSchema = z.enum(['pending', 'running', 'failed']).meta({
  id: 'InstanceState',
  description: 'State of an instance; running and failed are final',
  examples: ['running'],
})

const instanceStatusSchema = z
  .object({
    id: text("CloudDC's id of the instance", '5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'),
    state: instanceStateSchema.describe('Whether it runs'),
    name: textOrNull('Name in CloudDC; null until it is known', 'web-0001'),
    server_id: textOrNull(
      'The server it runs on; null until it is known',
      'a3d9a1de-4c6f-47c8-8d0b-fd1f0d1f7c21',
    ),
    created_at: time('When this service learnt of the instance'),
    running_at: timeOrNull('When it was first seen running; null until it is recorded as running'),
    error: failureSchema.nullable().describe('Why it failed; null unless it did'),
  })
  .meta({ id: 'InstanceStatus', description: 'An instance that was created for a request' })

export const waitingSchema = z
  .object({
    reason: z
      .enum(WAITING_REASONS)
      .meta(
        told(
          'rate_limit: a call token; retry: its retry time; capacity: ready servers; ' +
            'paused: the end of a pause by a person; reconciling: the outcome of an attempt; ' +
            'all others: the project is closed until a call gets through',
          'rate_limit',
        ),
      ),
    until: timeOrNull(
      'When the request is looked at again; it may have to wait on after that. Null where a person has to end a pause',
    ),
    detail: textOrNull(
      'What is missing; null where the reason says all',
      '3 servers are ready, fewer than the 5 asked for',
    ),
    position: z
      .int()
      .min(1)
      .nullable()
      .meta(told("Place in its project's queue, from 1; null while it is in none, or not known yet", 12)),
    estimated_dispatch_at: timeOrNull(
      'When its order is expected to go out; null while nobody can know, as in a closed project',
    ),
    estimated_at: timeOrNull(
      'When its servers are expected to run, by what instances of its image took so far; while none has run, when its ' +
        'order is expected to go out; null while nobody can know',
    ),
  })
  .meta({ id: 'Waiting', description: 'What a request waits for' })

const countsSchema = z
  .object({
    min: count('Minimum to create', 1),
    max: count('Instances asked for', 3),
    created: count('Instances created so far', 3),
    running: count('Of these, running', 2),
    failed: count('Of these, failed', 0),
  })
  .meta({ id: 'Counts', description: 'Numbers of instances' })

const requestFailureSchema = z
  .object({ ...failureSchema.shape, at: time('When it ended') })
  .meta({ id: 'RequestFailure', description: 'Why a request ended other than ordered' })

export const requestStatusSchema = z
  .object({
    project_id: projectId,
    request_id: requestId,
    state: requestStateSchema.describe('Where the request stands'),
    counts: countsSchema.describe('Instances ordered, created, running and failed'),
    instances: z.array(instanceStatusSchema).describe('The instances created so far'),
    name: text('Name of the instances, as ordered', 'web'),
    priority: z.int().min(0).max(9).meta(told('Higher goes first within the project', 0)),
    deadline: timeOrNull('When it expires unless it was dispatched; null where it has none'),
    correlation_id: textOrNull('The correlation id of its message; null where it had none', 'trace-42'),
    attempts: count('Calls of batch-create that may have reached CloudDC', 1),
    waiting: waitingSchema.nullable().describe('What the request waits for; null when for nothing'),
    error: requestFailureSchema.nullable().describe('Why the request failed or expired; null unless it did'),
    created_at: time('When the request was stored'),
    updated_at: time('When anything about it last changed'),
    dispatched_at: timeOrNull('When CloudDC was known to have taken the order; null until then'),
    completed_at: timeOrNull('When it reached a final state; null until then'),
  })
  .meta({ id: 'RequestStatus', description: 'A provision request as it stands' })

export type RequestStatus = z.output<typeof requestStatusSchema>

export const requestListSchema = z
  .object({
    requests: z.array(requestStatusSchema).describe('Newest first'),
    next_marker: textOrNull('The `marker` of the next page; null on the last one', 'AZqwa28dfFKKPgt9UvHJqg'),
  })
  .meta({ id: 'RequestList', description: 'One page of provision requests' })

export type RequestList = z.output<typeof requestListSchema>

export const instanceSchema = z
  .object({
    ...instanceStatusSchema.shape,
    project_id: projectId,
    request_id: requestId,
    upstream_state: textOrNull("CloudDC's own word for the state, as last seen; null before that", 'RUNNING'),
    request: requestStatusSchema.describe('The request it was created for'),
  })
  .meta({ id: 'Instance', description: 'An instance with its request' })

export type InstanceReply = z.output<typeof instanceSchema>

export const healthSchema = z
  .object({ status: z.literal('ok').meta(told('Always ok', 'ok')) })
  .meta({ id: 'Health', description: 'The process is alive' })

export const readinessSchema = z
  .object({
    status: z.literal('ready').meta(told('Always ready', 'ready')),
    checks: z
      .record(z.string(), z.literal('ok'))
      .meta(told('What was checked, by name', { database: 'ok', broker: 'ok', migrations: 'ok' })),
  })
  .meta({ id: 'Readiness', description: 'The process can do its work' })

const faultSchema = z
  .object({
    path: text('The parameter, or the part of the service, at fault', 'wait'),
    message: text('What is wrong with it', 'must be at most 60s'),
  })
  .meta({ id: 'Fault', description: 'One thing that is wrong' })

/** RFC 9457. `type` is about:blank, so `title` is that of the status; `code` tells the cases apart. */
export const problemSchema = z
  .object({
    type: text('Always about:blank: `code` tells the cases apart', 'about:blank'),
    title: text('Name of the HTTP status', 'Bad Request'),
    status: z.int().meta(told('The HTTP status', 400)),
    code: text('The case, in fixed words for programs', 'invalid_request'),
    detail: text('The case in words for people', 'the query is not valid').optional(),
    errors: z.array(faultSchema).optional().describe('The faults of a request, or the reasons of a 503'),
  })
  .meta({ id: 'Problem', description: 'A problem document (RFC 9457)' })

export type Problem = z.output<typeof problemSchema>
