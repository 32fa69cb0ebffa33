import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { foundSchema } from '../../contracts/operations.ts'
import { requestStateSchema, told } from '../../contracts/reply-members.ts'
import { problemSchema, requestStatusSchema } from '../../contracts/status.ts'
import type { By } from '../../operations/audit.ts'
import type { HandVerdict, ResolveError } from '../../operations/resolve-by-hand.ts'
import type { RequestKey } from '../../request/request-key.ts'
import { EXAMPLES } from '../examples.ts'
import { guardedChange } from '../guarded-reads.ts'
import { instanceId, requestParams } from '../parameters.ts'
import { notFound, PROBLEM_TYPE, ProblemError } from '../problem.ts'
import type { Reads } from '../reads.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS, reason } from './inputs.ts'

const refusedSchema = z
  .object({
    ...problemSchema.shape,
    state: requestStateSchema.describe('The state the request is in'),
    evidence: foundSchema.nullable().describe('What is known of its attempt; null where that is settled'),
  })
  .meta({
    id: 'ResolveRefusedProblem',
    description: 'A problem document (RFC 9457) with what speaks against the verdict',
  })

const body = z
  .strictObject({
    adopt: z
      .array(instanceId)
      .min(1)
      .max(1000)
      .optional()
      .meta(told('The instances that the call created', ['5b0c7c7e-8a55-4c4b-9d53-3c3f5c1f8f10'])),
    void: z.literal(true).optional().meta(told('The call created nothing', true)),
    reason,
  })
  .refine((given) => (given.adopt === undefined) !== (given.void === undefined), 'needs either adopt or void')

export interface ResolveRouteOptions {
  /** Returns why it was refused; null when it is done. */
  resolve: (key: RequestKey, verdict: HandVerdict, by: By) => Promise<ResolveError | null>
  reads: Pick<Reads, 'status'>
}

export function registerResolveRoute(
  instance: FastifyInstance,
  { resolve, reads }: ResolveRouteOptions,
): void {
  instance.withTypeProvider<ZodTypeProvider>().post(
    '/v1/:project_id/provision-requests/:request_id/resolve',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'resolveProvisionRequest',
        summary: 'Settles an attempt of unknown outcome by what a person has found out',
        description:
          '`adopt` goes on with these instances, as if the answer had come; `void` queues the request again, or ends it ' +
          'when its attempts are used up. Refused when the attempt is not of unknown outcome, when an instance belongs ' +
          'to another request, and when what is known speaks against it: the last listing held instances of the attempt ' +
          'that would be left without an owner.',
        params: requestParams,
        body,
        response: {
          200: reply('Settled: its status now', requestStatusSchema, EXAMPLES.status),
          409: reply(
            'State or evidence speaks against it; nothing was changed',
            refusedSchema,
            OPERATIONS_EXAMPLES.resolveRefused,
            PROBLEM_TYPE,
          ),
          ...problemReplies([400, 404, 413, 503]),
        },
      },
    },
    async (request) => {
      const { params } = request
      const { adopt, reason } = request.body
      const key = { projectId: params.project_id, requestId: params.request_id }
      const by = { who: request.caller.id, reason }
      const refusal = await guardedChange('the request could not be resolved', () =>
        resolve(key, adopt === undefined ? 'void' : { adopt }, by),
      )
      const read = await reads.status(key)
      if (read === null) throw notFound(`project ${key.projectId} has no provision request ${key.requestId}`)
      if (refusal === null) return read.status
      throw new ProblemError({
        status: 409,
        code: 'cannot_resolve',
        detail: refusal.message,
        extensions: { state: read.status.state, evidence: refusal.evidence },
      })
    },
  )
}
