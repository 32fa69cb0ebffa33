import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { auditPageSchema } from '../../contracts/operations.ts'
import type { OperationsReads } from '../../operations/reads.ts'
import { limit } from '../parameters.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS } from './inputs.ts'

const marker = z
  .string()
  .regex(/^[1-9]\d{0,17}$/, 'is no marker of this API')
  .meta({ examples: ['1207'] })
  .transform(BigInt)
  .describe('`next_marker` of the page before')

export function registerAuditRoute(
  instance: FastifyInstance,
  { reads }: { reads: Pick<OperationsReads, 'audit'> },
): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/operations/audit',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'listAudit',
        summary: 'What people changed, newest first',
        description:
          'One entry for each change over these routes: who, when, what, before and after, why. Entries are kept for ' +
          '`IDEMPOTENCY_DAYS`.',
        querystring: z.strictObject({ limit, marker: marker.optional() }),
        response: {
          200: reply('One page', auditPageSchema, OPERATIONS_EXAMPLES.audit),
          ...problemReplies([400, 503]),
        },
      },
    },
    ({ query }) => reads.audit({ limit: query.limit, before: query.marker }),
  )
}
