import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { CallLimit } from '../../budget/token-bucket.ts'
import { type LimitReply, limitReplySchema } from '../../contracts/limits.ts'
import { told } from '../../contracts/reply-members.ts'
import type { By } from '../../operations/audit.ts'
import type { ChangedLimit } from '../../operations/change-limit.ts'
import { projectParams } from '../parameters.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS, reason, until } from './inputs.ts'
import { changeUnlessRefused, REFUSED_REPLY } from './refused.ts'

export interface LimitRoutesOptions {
  /** Both throw RefusedChangeError. */
  setLimit: (projectId: string, limit: CallLimit & { until: Date | null }, by: By) => Promise<ChangedLimit>
  removeLimit: (projectId: string, by: By) => Promise<ChangedLimit>
}

const limit = z.strictObject({
  per_second: z
    .number()
    .positive('must be above 0')
    .max(1_000_000)
    .meta(told('Calls per second, of all kinds; fractions are allowed', 2)),
  burst: z.number().min(1, 'must be at least 1').max(1_000_000).meta(told('Calls at once', 4)),
  reason,
  until,
})

const PATH = '/operations/projects/:project_id/limit'

export function registerLimitRoutes(
  instance: FastifyInstance,
  { setLimit, removeLimit }: LimitRoutesOptions,
): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.put(
    PATH,
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'setProjectLimit',
        summary: 'Sets the call limit of a project',
        description:
          'It counts instead of the configured one, for all replicas at once, until its end, or until it is removed; ' +
          'also for a project that has ordered nothing yet. Tokens that are there stay, as far as the new burst holds ' +
          'them. Where the rate rises, tokens flow again after 0.9 seconds, so that no window holds more calls than the ' +
          'larger of both limits allows.',
        params: projectParams,
        body: limit,
        response: {
          200: reply('Set', limitReplySchema, OPERATIONS_EXAMPLES.limit),
          409: REFUSED_REPLY,
          ...problemReplies([400, 413, 503]),
        },
      },
    },
    async ({ params, body, caller }) => {
      const wanted = { perSecond: body.per_second, burst: body.burst, until: body.until ?? null }
      const by = { who: caller.id, reason: body.reason }
      return limitReply(await changeUnlessRefused(() => setLimit(params.project_id, wanted, by)))
    },
  )

  app.delete(
    PATH,
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'removeProjectLimit',
        summary: 'Makes the configured call limit of a project count again',
        description: 'For all replicas at once, like setting it.',
        params: projectParams,
        querystring: z.strictObject({ reason }),
        response: {
          200: reply('Removed', limitReplySchema, OPERATIONS_EXAMPLES.limitRemoved),
          409: REFUSED_REPLY,
          ...problemReplies([400, 413, 503]),
        },
      },
    },
    async ({ params, query, caller }) => {
      const by = { who: caller.id, reason: query.reason }
      return limitReply(await changeUnlessRefused(() => removeLimit(params.project_id, by)))
    },
  )
}

function limitReply({ projectId, configured, override }: ChangedLimit): LimitReply {
  const { perSecond, burst } = override ?? configured
  return {
    project_id: projectId,
    per_second: perSecond,
    burst,
    overridden: override !== null,
    configured: { per_second: configured.perSecond, burst: configured.burst },
    since: override?.since ?? null,
    until: override?.until ?? null,
    who: override?.who ?? null,
    reason: override?.reason ?? null,
  }
}
