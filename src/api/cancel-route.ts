import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { requestStateSchema } from '../contracts/reply-members.ts'
import { problemSchema, requestStatusSchema } from '../contracts/status.ts'
import type { RequestKey } from '../request/request-key.ts'
import type { CancelOutcome } from './cancel.ts'
import { EXAMPLES } from './examples.ts'
import { guardedChange } from './guarded-reads.ts'
import { requestParams } from './parameters.ts'
import { notFound, PROBLEM_TYPE, ProblemError } from './problem.ts'
import type { Reads } from './reads.ts'
import { problemReplies, reply } from './replies.ts'

const tooLateSchema = z
  .object({ ...problemSchema.shape, state: requestStateSchema.describe('The state the request is in') })
  .meta({ id: 'TooLateProblem', description: 'A problem document (RFC 9457) with the state of the request' })

const response = {
  202: reply('Cancelled, now or before', requestStatusSchema, EXAMPLES.cancelled),
  409: reply('Too late: the request has left the queue', tooLateSchema, EXAMPLES.tooLate, PROBLEM_TYPE),
  ...problemReplies([400, 404, 413, 503]),
}

export interface CancelRouteOptions {
  cancel: (key: RequestKey) => Promise<CancelOutcome>
  reads: Pick<Reads, 'status'>
}

/** Cancelling is idempotent: a request that is cancelled already answers 202 again. */
export function registerCancelRoute(instance: FastifyInstance, { cancel, reads }: CancelRouteOptions): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.post(
    '/v1/:project_id/provision-requests/:request_id/cancel',
    {
      schema: {
        tags: ['provision requests'],
        operationId: 'cancelProvisionRequest',
        summary: 'Withdraws a provision request that is still queued',
        description:
          'Ends the request as `cancelled` before anything is ordered. Idempotent: a request that is cancelled ' +
          'already answers 202 again. No body is needed; what comes is ignored.',
        params: requestParams,
        response,
      },
    },
    async ({ params }, answer) => {
      const key = { projectId: params.project_id, requestId: params.request_id }
      const outcome = await guardedChange('the request could not be cancelled', () => cancel(key))
      const read = outcome === 'unknown' ? null : await reads.status(key)
      if (outcome === 'unknown' || read === null) {
        throw notFound(`project ${key.projectId} has no provision request ${key.requestId}`)
      }
      if (outcome === 'cancelled') return answer.code(202).send(read.status)
      const { state } = outcome
      const detail = `the request is ${state}: only a queued one can be cancelled`
      throw new ProblemError({ status: 409, code: 'too_late', detail, extensions: { state } })
    },
  )
}
