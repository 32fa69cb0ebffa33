import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { deadLetterListSchema } from '../../contracts/operations.ts'
import { REJECTION_CODES } from '../../contracts/rejection-code.ts'
import { told } from '../../contracts/reply-members.ts'
import type { OperationsReads } from '../../operations/reads.ts'
import { limit } from '../parameters.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS } from './inputs.ts'

export const rejectionCode = z.enum(REJECTION_CODES)

export interface DeadLetterRoutesOptions {
  reads: Pick<OperationsReads, 'deadLetters'>
  /** Letters that wait in the queue; null when the broker does not say. */
  inQueue: () => Promise<number | null>
}

export function registerDeadLetterRoutes(
  instance: FastifyInstance,
  { reads, inQueue }: DeadLetterRoutesOptions,
): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/operations/dead-letters',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'listDeadLetters',
        summary: 'Messages that were rejected, newest first',
        description:
          'An index that is written with each letter and kept for `RETENTION_DAYS`; nothing is taken from the queue. ' +
          'A letter that was taken from the queue by hand stays in the index. A process that dies while it sends a ' +
          'letter may leave two entries of one letter.',
        querystring: z.strictObject({
          code: rejectionCode.optional().meta(told('Only those with this code', 'delivery_limit')),
          limit,
        }),
        response: {
          200: reply('The newest', deadLetterListSchema, OPERATIONS_EXAMPLES.deadLetters),
          ...problemReplies([400, 503]),
        },
      },
    },
    async ({ query }) => {
      const [list, waiting] = await Promise.all([
        reads.deadLetters({ code: query.code, limit: query.limit }),
        inQueue(),
      ])
      return { in_queue: waiting, ...list }
    },
  )
}
