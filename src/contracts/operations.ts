import { z } from 'zod'
import { count, projectId, requestId, text, textOrNull, time, timeOrNull, told } from './reply-members.ts'

/** The replies of the routes for operators. */

/** What an operator may change. */
export const AUDIT_VERBS = [
  'resolve',
  'limit.set',
  'limit.remove',
  'pause',
  'resume',
  'dead_letters.replay',
  'events.replay',
  'run.stop',
] as const

/** Bounds of a reason, in characters; the table holds them too. */
export const REASON_LENGTH = { min: 10, max: 500 } as const

/** Replays that go on by themselves. */
export const RUN_KINDS = ['dead_letters', 'events'] as const

const projectIdOrNull = textOrNull('The CloudDC project; null where there is none', 'project-1')
const requestIdOrNull = textOrNull("The sender's id of the request; null where there is none", 'order-7f3c')

const changedSchema = z.record(z.string(), z.unknown()).meta({
  id: 'Changed',
  description: 'What a change was about, by name',
  examples: [{ state: 'queued' }],
})

export const auditEntrySchema = z
  .object({
    id: text('Grows with each entry', '1207'),
    at: time('When it was changed'),
    who: text('The caller: `key:<id>`, `token:<subject> of <issuer>` or `open`', 'key:console'),
    verb: z.enum(AUDIT_VERBS).meta(told('What was done', 'resolve')),
    project_id: projectIdOrNull,
    target: textOrNull('Id of what was changed: a request, a run', 'order-7f3c'),
    before: changedSchema.nullable().describe('How it was; null where nothing was'),
    after: changedSchema.nullable().describe('How it was then; null where nothing was left'),
    reason: text('Why, in the words of who did it', 'checked in the console of CloudDC: nothing there'),
    until: timeOrNull('When the change ends by itself; null for never'),
  })
  .meta({ id: 'AuditEntry', description: 'One change by a person' })

export const auditPageSchema = z
  .object({
    entries: z.array(auditEntrySchema).describe('Newest first'),
    next_marker: textOrNull('The `marker` of the next page; null on the last one', '1207'),
  })
  .meta({ id: 'AuditPage', description: 'What people changed' })

export type AuditPage = z.output<typeof auditPageSchema>

const failureSampleSchema = z
  .object({
    project_id: projectId,
    request_id: requestId,
    message: text('The reason in words', 'the image does not exist'),
    at: time('When it ended'),
  })
  .meta({ id: 'FailureSample', description: 'The newest request that failed so' })

export const failureCauseSchema = z
  .object({
    code: text("CloudDC's error code, or one of this service", 'iMetal.0001'),
    count: count('Requests that ended so', 41),
    first: time('When the first of them ended'),
    last: time('When the last of them ended'),
    project_count: count('Projects that they belong to', 3),
    projects: z
      .array(z.string())
      .meta(told('Those with the most of them, ten at most', ['project-1', 'project-2', 'project-9'])),
    sample: failureSampleSchema.describe('The newest of them'),
  })
  .meta({ id: 'FailureCause', description: 'Requests that failed or expired with one code' })

export const failuresSchema = z
  .object({
    since: time('From when on they are counted'),
    failures: z.array(failureCauseSchema).describe('The most frequent first'),
    truncated: z.boolean().meta(told('Whether only the newest 100,000 requests were counted', false)),
  })
  .meta({ id: 'Failures', description: 'What failed, by cause' })

export type Failures = z.output<typeof failuresSchema>

const expectedSchema = z
  .object({
    min: count('The fewest instances it creates, if any', 1),
    max: count('The most instances it creates', 3),
  })
  .meta({ id: 'Expected', description: 'Instances that a call may have created' })

export const foundSchema = z.record(z.string(), z.unknown()).meta({
  id: 'Found',
  description: 'Why the outcome is unknown, and what the looks for its instances have found',
  examples: [{ error_code: 'UND_ERR_HEADERS_TIMEOUT', reconciling: { found: [], look_count: 3 } }],
})

const uncertainAttemptSchema = z
  .object({
    project_id: projectId,
    request_id: requestId,
    attempt: count('Number of the attempt within its request', 1),
    attempt_id: text(
      'What the marker of its instances begins with',
      '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa.1',
    ),
    expected: expectedSchema.describe('How many instances it may have created'),
    uncertain_since: time('When its outcome became unknown'),
    age_seconds: count('Seconds since then', 95),
    looks: count('Looks for its instances so far, failed ones included', 3),
    evidence: foundSchema.describe('What is known of it'),
    next_look_at: time('The next look'),
  })
  .meta({ id: 'UncertainAttempt', description: 'A call of batch-create whose outcome is unknown' })

export const uncertainPageSchema = z
  .object({
    total: count('Attempts of unknown outcome in all', 2),
    attempts: z.array(uncertainAttemptSchema).describe('In the order in which their requests were accepted'),
    next_marker: textOrNull('The `marker` of the next page; null on the last one', 'AZqwa28dfFKKPgt9UvHJqg'),
  })
  .meta({ id: 'UncertainPage', description: 'One page of attempts of unknown outcome' })

export type UncertainPage = z.output<typeof uncertainPageSchema>

const rejectionFaultSchema = z
  .object({
    path: text('Where in the message; empty for all of it', 'spec.min_count'),
    message: text('What is wrong with it', 'must be at least 1'),
  })
  .meta({ id: 'RejectionFault', description: 'One thing that is wrong with a message' })

const indexedLetterSchema = z
  .object({
    id: text('Of the entry', '5b0c7c7e-8a55-8c4b-9d53-3c3f5c1f8f10'),
    rejected_at: time('When the message was rejected: its `x-rejected-at`'),
    code: text('Why: its `x-rejection-code`', 'invalid_request'),
    project_id: projectIdOrNull,
    request_id: requestIdOrNull,
    detail: z.array(rejectionFaultSchema).describe('Each fault: its `x-rejection-detail`'),
    bytes: count("Size of the message's body", 812),
    replayed_at: timeOrNull('When a run has published it again; null before'),
  })
  .meta({ id: 'IndexedLetter', description: 'A message that was rejected' })

export const deadLetterListSchema = z
  .object({
    in_queue: z
      .int()
      .nullable()
      .meta(
        told(
          'Letters that wait in provision.requests.dead, of any code; null when the broker does not say',
          12,
        ),
      ),
    letters: z.array(indexedLetterSchema).describe('Newest first'),
  })
  .meta({ id: 'DeadLetterList', description: 'Messages that were rejected' })

export type DeadLetterList = z.output<typeof deadLetterListSchema>

export const runSchema = z
  .object({
    id: text('Of the run', '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'),
    kind: z.enum(RUN_KINDS).meta(told('What it sends again', 'dead_letters')),
    state: z
      .enum(['waiting', 'running', 'done', 'failed'])
      .meta(told('Runs go one after the other; done and failed are final', 'running')),
    params: z
      .record(z.string(), z.unknown())
      .meta(told('What was asked for', { code: 'delivery_limit', max: 10_000, per_second: 500 })),
    total: z
      .int()
      .nullable()
      .meta(told('Letters in the queue when it began; null before, and for events', 10_000)),
    done: count('Sent again so far', 4200),
    passed_over: count('Letters looked at and left in the queue', 17),
    per_second: z.number().min(0).meta(told('Sent per second since it began', 498.2)),
    error: textOrNull('Why it failed, or what holds it up; null for neither', 'the broker does not answer'),
    created_at: time('When it was asked for'),
    started_at: timeOrNull('When it began; null before'),
    finished_at: timeOrNull('When it ended; null before'),
  })
  .meta({ id: 'Run', description: 'A replay that goes on by itself' })

export type Run = z.output<typeof runSchema>
