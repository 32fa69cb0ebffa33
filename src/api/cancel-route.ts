import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { problemSchema, requestStateSchema, requestStatusSchema } from '../contracts/status.ts'
import { isRetryable } from '../database/errors.ts'
import type { CancelOutcome } from './cancel.ts'
import { requestParams } from './parameters.ts'
import { notFound, PROBLEM_TYPE, problemDocument } from './problem.ts'
import { DatabaseUnavailableError, type Reads, type RequestKey } from './reads.ts'
import { replies } from './replies.ts'

const tooLateSchema = problemSchema
  .extend({ state: requestStateSchema.describe('The state the request is in') })
  .meta({ id: 'TooLateProblem' })

const { 200: accepted, ...problems } = replies(
  requestStatusSchema,
  'Cancelled, now or before',
  [400, 404, 503],
)
const response = {
  202: accepted,
  ...problems,
  409: {
    description: 'Too late: the request has left the queue',
    content: { [PROBLEM_TYPE]: { schema: tooLateSchema } },
  },
}

export interface CancelRouteOptions {
  cancel: (key: RequestKey) => Promise<CancelOutcome>
  reads: Pick<Reads, 'status'>
}

/** Cancelling is idempotent: a request that is cancelled already answers 202 again. */
export function registerCancelRoute(instance: FastifyInstance, { cancel, reads }: CancelRouteOptions): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  const cancelSafely = async (key: RequestKey): Promise<CancelOutcome> => {
    try {
      return await cancel(key)
    } catch (error) {
      if (!isRetryable(error)) throw error
      throw new DatabaseUnavailableError('the request could not be cancelled', { cause: error })
    }
  }

  app.post(
    '/v1/:project_id/provision-requests/:request_id/cancel',
    {
      schema: {
        tags: ['provision requests'],
        operationId: 'cancelProvisionRequest',
        summary: 'Withdraws a provision request that is still queued',
        params: requestParams,
        response,
      },
    },
    async ({ params }, reply) => {
      const key = { projectId: params.project_id, requestId: params.request_id }
      const outcome = await cancelSafely(key)
      const read = outcome === 'unknown' ? null : await reads.status(key)
      if (outcome === 'unknown' || read === null) {
        throw notFound(`project ${key.projectId} has no provision request ${key.requestId}`)
      }
      if (outcome === 'cancelled') return reply.code(202).send(read.status)
      const detail = `the request is ${outcome.state}: only a queued one can be cancelled`
      const problem = problemDocument({ status: 409, code: 'too_late', detail })
      return reply
        .code(409)
        .header('content-type', PROBLEM_TYPE)
        .send(JSON.stringify({ ...problem, state: outcome.state }))
    },
  )
}
