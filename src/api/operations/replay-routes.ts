import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { REPLAYED_KINDS } from '../../contracts/event-schemas.ts'
import { runSchema } from '../../contracts/operations.ts'
import { told } from '../../contracts/reply-members.ts'
import { problemSchema } from '../../contracts/status.ts'
import type { By } from '../../operations/audit.ts'
import type { OperationsReads } from '../../operations/reads.ts'
import type { EventReplay, RunKind, RunParams } from '../../operations/run.ts'
import { guardedChange } from '../guarded-reads.ts'
import { instant, projectId, requestId } from '../parameters.ts'
import { notFound, PROBLEM_TYPE, ProblemError } from '../problem.ts'
import { problemReplies, reply } from '../replies.ts'
import { rejectionCode } from './dead-letter-routes.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS, reason } from './inputs.ts'
import { changeUnlessRefused, REFUSED_REPLY } from './refused.ts'

const perSecond = z.number().positive().max(10_000).meta(told('How many are sent per second', 500))

const letterReplay = z.strictObject({
  code: rejectionCode.meta(told('Letters with this `x-rejection-code`', 'delivery_limit')),
  max: z.int().min(1).max(10_000_000).meta(told('Most letters', 10_000)),
  per_second: perSecond,
  reason,
})

const eventReplay = z
  .strictObject({
    target: z
      .string()
      .min(1)
      .refine((key) => Buffer.byteLength(key) <= 255, 'must be at most 255 bytes')
      .meta(told('The key that a queue is bound with to the exchange provision.replay', 'billing')),
    from: instant('Events of this time or later'),
    to: instant('Events before this time; by default now', '2026-11-24T12:00:00Z').optional(),
    project_id: projectId.optional().meta(told('Only those of this project', 'project-1')),
    request_id: requestId
      .optional()
      .meta(told('Only those of this request; with `project_id`', 'order-7f3c')),
    kinds: z
      .array(z.enum(REPLAYED_KINDS))
      .min(1)
      .optional()
      .meta(told('Only those of these kinds', ['instance.running', 'instance.failed'])),
    per_second: perSecond,
    reason,
  })
  .refine((asked) => asked.request_id === undefined || asked.project_id !== undefined, {
    message: 'needs project_id',
    path: ['request_id'],
  })

const NOBODY = {
  type: 'about:blank',
  title: 'Conflict',
  status: 409,
  code: 'no_queue',
  detail: 'no queue is bound to provision.replay with the key "billing"',
}

export interface ReplayRoutesOptions {
  reads: Pick<OperationsReads, 'run'>
  /** Stores a run with its entry in the audit; returns its id. */
  run: <Kind extends RunKind>(kind: Kind, params: RunParams[Kind], by: By) => Promise<string>
  /** Whether a queue takes events with that key, as far as one of them could tell. */
  tryTarget: (params: EventReplay) => Promise<'taken' | 'nobody' | 'unavailable'>
  /** Throws a RefusedChangeError where the run is over. */
  stopRun: (id: string, by: By) => Promise<void>
}

const RUN_PATH = '/operations/runs/:run_id'
const runParams = z.object({
  run_id: z.uuid('must be the id of a run').meta(told('Of the run', OPERATIONS_EXAMPLES.run.id)),
})

/** Replays, which go on by themselves, and how far they have come. */
export function registerReplayRoutes(
  instance: FastifyInstance,
  { reads, run, tryTarget, stopRun }: ReplayRoutesOptions,
): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  const begin: ReplayRoutesOptions['run'] = (kind, params, by) =>
    guardedChange('the run could not be stored', () => run(kind, params, by))

  const read = async (id: string) => {
    const found = await reads.run(id)
    if (found === null) throw notFound(`there is no run ${id}`)
    return found
  }

  app.post(
    '/operations/dead-letters/replay',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'replayDeadLetters',
        summary: 'Publishes dead letters of one code to the request queue again',
        description:
          'Begins a run over as many letters as the queue holds then. Letters of other codes move to its tail. The run goes ' +
          'on when its replica dies: nothing is lost, and what is sent twice is a duplicate. A letter that is rejected ' +
          'again is a new letter, which the same run leaves alone.',
        body: letterReplay,
        response: {
          202: reply('The run has been stored', runSchema, OPERATIONS_EXAMPLES.runWaiting),
          ...problemReplies([400, 413, 503]),
        },
      },
    },
    async (request, answer) => {
      const { code, max, per_second, reason } = request.body
      const by = { who: request.caller.id, reason }
      const id = await begin('dead_letters', { code, max, perSecond: per_second }, by)
      return answer.code(202).send(await read(id))
    },
  )

  app.post(
    '/operations/events/replay',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'replayEvents',
        summary: 'Sends past events again, to the queues bound with a key',
        description:
          'Begins a run that renders the events of stored requests again and publishes them to the exchange ' +
          '`provision.replay`, those of a request in order, each with its first `id`. One of them is sent at once, to ' +
          'learn whether a queue is bound with the key. `request.rejected` belongs to no request and is not among them.',
        body: eventReplay,
        response: {
          202: reply('The run has been stored', runSchema, OPERATIONS_EXAMPLES.eventsWaiting),
          409: reply('No queue is bound with the key', problemSchema, NOBODY, PROBLEM_TYPE),
          ...problemReplies([400, 413, 503]),
        },
      },
    },
    async (request, answer) => {
      const {
        target,
        from,
        to = new Date(),
        project_id,
        request_id,
        kinds,
        per_second,
        reason,
      } = request.body
      const params = {
        target,
        from,
        to,
        projectId: project_id,
        requestId: request_id,
        kinds,
        perSecond: per_second,
      }
      const taken = await guardedChange('the events could not be read', () => tryTarget(params))
      if (taken === 'nobody') {
        const detail = `no queue is bound to provision.replay with the key "${target}"`
        throw new ProblemError({ status: 409, code: 'no_queue', detail })
      }
      if (taken === 'unavailable') {
        const detail = 'the broker does not take an event'
        throw new ProblemError({
          status: 503,
          code: 'broker_unavailable',
          detail,
          headers: { 'retry-after': '1' },
        })
      }
      const id = await begin('events', params, { who: request.caller.id, reason })
      return answer.code(202).send(await read(id))
    },
  )

  app.get(
    RUN_PATH,
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'getRun',
        summary: 'How far a run has come',
        description:
          'Runs are carried out one after the other, and kept for `IDEMPOTENCY_DAYS` after their end.',
        params: runParams,
        response: {
          200: reply('The run', runSchema, OPERATIONS_EXAMPLES.run),
          ...problemReplies([400, 404, 503]),
        },
      },
    },
    ({ params }) => read(params.run_id),
  )

  app.delete(
    RUN_PATH,
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'stopRun',
        summary: 'Stops a run',
        description:
          'It ends as `failed`, and `error` tells who has stopped it and why. What was in hand is finished within a second ' +
          'or two; what was sent stays sent, and the letters that it has not come to stay letters.',
        params: runParams,
        querystring: z.strictObject({ reason }),
        response: {
          200: reply('Stopped', runSchema, OPERATIONS_EXAMPLES.run),
          409: REFUSED_REPLY,
          ...problemReplies([400, 404, 413, 503]),
        },
      },
    },
    async ({ params, query, caller }) => {
      await read(params.run_id)
      const by = { who: caller.id, reason: query.reason }
      await changeUnlessRefused(() => stopRun(params.run_id, by))
      return read(params.run_id)
    },
  )
}
