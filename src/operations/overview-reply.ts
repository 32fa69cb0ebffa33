import { z } from 'zod'
import { auditEntrySchema, failureCauseSchema } from '../contracts/operations.ts'
import {
  count,
  projectId,
  requestId,
  text,
  textOrNull,
  time,
  timeOrNull,
  told,
} from '../contracts/reply-members.ts'
import { waitingSchema as requestWaitingSchema } from '../contracts/status.ts'
import { MOST_LISTED, MOST_SAMPLES, RATE_MINUTES, RATE_STEP_SECONDS } from './overview-bounds.ts'
import { budgetsSchema } from './overview-budgets.ts'

/** All that the page for operators shows, in one reply. */

const TROUBLE_CODES = [
  'role_missing',
  'replica_silent',
  'duty_overdue',
  'outbox_stuck',
  'polls_fail',
  'broker_unreachable',
  'credential_refused',
  'projects_closed',
  'paused',
  'uncertain',
  'dead_letters',
] as const

const troubleSchema = z
  .object({
    severity: z
      .enum(['broken', 'watch'])
      .meta(told('broken: orders or events do not get on. watch: known, and may need a person', 'broken')),
    code: z.enum(TROUBLE_CODES).meta(told('What it is about', 'credential_refused')),
    message: text('In words', 'CloudDC refuses the credential main: unauthorized. 12 projects wait for it'),
    since: timeOrNull('Since when, where that is known'),
  })
  .meta({ id: 'Trouble', description: 'Something that is not as it should be' })

const replicaSchema = z
  .object({
    id: text('Of the replica, as long as its lease holds', '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'),
    host: text('Name of its machine or container', 'provisioner-7d9c5b6f4-x2x8q'),
    version: text('Version of the service', '0.1.0'),
    roles: z
      .array(z.string())
      .meta(told('What it does', ['intake', 'dispatch', 'readiness', 'outbox', 'api'])),
    since: time('When it was started'),
    seen_at: time('When it last renewed its lease'),
    silent: z.boolean().meta(told('Its lease has run out: its work is taken over by others', false)),
  })
  .meta({ id: 'ReplicaReply', description: 'A process of this service' })

const dutySchema = z
  .object({
    duty: text('Its name', 'relay'),
    shared: z.boolean().meta(told('Whether all replicas with the role do it, and none alone', false)),
    replica_id: textOrNull('Who does it; null for nobody', '019ab06b-6f1d-7c52-8a3e-0b7d52f1c9aa'),
    overdue_seconds: count('How far its longest due work is behind its time; 0 where nothing waits', 0),
  })
  .meta({ id: 'DutyReply', description: 'What is done for all: by one replica at a time, or shared' })

const series = (description: string, example: number[]) =>
  z.array(z.int().min(0)).meta(told(description, example))

const ratesSchema = z
  .object({
    step_seconds: z.literal(RATE_STEP_SECONDS).meta(told('Length of a step', RATE_STEP_SECONDS)),
    from: time('Begin of the first step'),
    to: time('End of the last step: the last one that is complete'),
    accepted: series('Requests that were stored', [48, 52]),
    dispatched: series('Calls of batch-create, whatever became of them', [50, 49]),
    running: series('Requests that ended with running instances, partially running ones included', [47, 50]),
    failed: series('Requests that ended otherwise: failed, expired, cancelled', [0, 1]),
    published: series('Events that were published and confirmed', [240, 251]),
  })
  .meta({
    id: 'Rates',
    description: `Counts per ${RATE_STEP_SECONDS} seconds of the last ${RATE_MINUTES} minutes, of all replicas`,
  })

const openSchema = z
  .object({
    queued: count('Waiting for a token, a retry time, ready servers or CloudDC', 312),
    dispatching: count('Whose call may be in progress', 2),
    uncertain: count('Whose attempt has an unknown outcome', 1),
    provisioning: count('Whose instances do not all run yet', 41),
    capped: z.boolean().meta(told('Whether counting has stopped early: there are more', false)),
    events: count('Events that wait to be published', 0),
    oldest_event_at: timeOrNull('When the first of these events was committed; null without any'),
  })
  .meta({ id: 'OpenWork', description: 'What is under way' })

const waitingReason = requestWaitingSchema.shape.reason

const waitingTotalSchema = z
  .object({
    reason: waitingReason,
    count: count('Requests', 312),
    projects: count('Projects that they belong to', 2),
    oldest_at: time('When the oldest of them was stored'),
  })
  .meta({ id: 'WaitingTotal', description: 'Requests that wait for the same, of all projects' })

const waitingRowSchema = z
  .object({
    project_id: projectId,
    reason: waitingReason,
    count: count('Requests of the project that wait for this', 300),
    capped: z.boolean().meta(told('Whether counting has stopped early: there are more', false)),
    oldest: z
      .object({ request_id: requestId, created_at: time('When it was stored') })
      .meta({ id: 'OldestOfProject', description: 'The request that was stored first' })
      .describe('The oldest of them'),
    until: timeOrNull(
      'When the first of them is looked at again; null for now, and where a person has to end a pause',
    ),
    detail: textOrNull(
      'What is missing; null where the reason says all',
      '3 servers are ready, fewer than the 5 asked for',
    ),
  })
  .meta({ id: 'WaitingRow', description: 'Requests of one project that wait for the same' })

const waitingSchema = z
  .object({
    by_reason: z.array(waitingTotalSchema).describe('Of all projects; the most requests first'),
    rows: z
      .array(waitingRowSchema)
      .describe(
        `By project and reason: closed and paused projects first, then the longest waiting; ${MOST_LISTED} at most`,
      ),
    total: count('Rows that there are, shown or not', 2),
  })
  .meta({ id: 'WaitingOverview', description: 'Who waits for what, and since when' })

const uncertainSampleSchema = z
  .object({
    project_id: projectId,
    request_id: requestId,
    attempt: count('Number of the attempt within its request', 1),
    since: time('When its outcome became unknown'),
    cause: textOrNull(
      'Why it is unknown: the code of the error; null where there is none',
      'UND_ERR_HEADERS_TIMEOUT',
    ),
    looks: count('Looks for its instances so far, failed ones included', 3),
    found: z
      .array(z.string())
      .meta(told('Instances with its marker, ten at most', ['5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'])),
    verdict: textOrNull(
      'What the last look came to: look_again, manual, or the error that ended it; null before the first',
      'look_again',
    ),
    needs_person: z.boolean().meta(told('Whether looking on will not settle it', false)),
    next_look_at: time('The next look'),
  })
  .meta({ id: 'UncertainSample', description: 'A call of batch-create whose outcome is unknown, in short' })

const uncertainSchema = z
  .object({
    count: count('Attempts of unknown outcome', 1),
    oldest_at: timeOrNull('Since when the oldest of them is; null without any'),
    sample: z.array(uncertainSampleSchema).describe(`The oldest, ${MOST_SAMPLES} at most`),
  })
  .meta({ id: 'UncertainOverview', description: 'What is uncertain, and what was found' })

const failuresSchema = z
  .object({
    since: time('From when on they are counted: a day ago'),
    count: count('Requests that failed or expired since then', 41),
    causes: z.array(failureCauseSchema).describe(`The most frequent first, ${MOST_SAMPLES} at most`),
    truncated: z.boolean().meta(told('Whether only the newest were counted', false)),
  })
  .meta({ id: 'FailuresOverview', description: 'What failed, by cause' })

const deadLettersSchema = z
  .object({
    in_queue: z
      .int()
      .nullable()
      .meta(told('Letters in provision.requests.dead; null when the broker does not say', 12)),
    by_code: z
      .array(
        z
          .object({
            code: text('Why they were rejected', 'invalid_request'),
            count: count('Letters in the index that were not replayed', 12),
            capped: z.boolean().meta(told('Whether counting has stopped early: there are more', false)),
            newest_at: time('When the newest of them was rejected'),
          })
          .meta({ id: 'DeadLetterCount', description: 'Letters of one code' }),
      )
      .describe('Most first'),
  })
  .meta({ id: 'DeadLettersOverview', description: 'Whether dead letters pile up' })

export const overviewSchema = z
  .object({
    read_at: time('When this was read, at most a few seconds ago; parts that are dear to read may be older'),
    troubles: z
      .array(troubleSchema)
      .describe('Whether anything is broken; broken first, empty when all is well'),
    replicas: z
      .array(replicaSchema)
      .describe(
        `The living, then the silent; ${MOST_LISTED} at most. One with the role api alone has no lease, and is not among them`,
      ),
    duties: z.array(dutySchema).describe('Each duty there is'),
    rates: ratesSchema.describe('Whether work is flowing'),
    open: openSchema.describe('How much is under way'),
    waiting: waitingSchema.describe('Who waits, for what, since when'),
    budgets: budgetsSchema.describe('What of each budget is used, and which is closed until when and why'),
    uncertain: uncertainSchema.describe('What nobody knows the outcome of, and what was found'),
    failures: failuresSchema.describe('What failed in the last 24 hours, by cause'),
    dead_letters: deadLettersSchema.describe('Whether messages are rejected'),
    changes: z
      .array(auditEntrySchema)
      .describe(`What people changed last, newest first; ${MOST_SAMPLES} at most`),
  })
  .meta({ id: 'Overview', description: 'How the installation stands' })

export type Overview = z.output<typeof overviewSchema>
