import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { failuresSchema, uncertainPageSchema } from '../../contracts/operations.ts'
import type { OperationsReads } from '../../operations/reads.ts'
import { idToMarker, instant, limit, marker } from '../parameters.ts'
import { problemReplies, reply } from '../replies.ts'
import { OPERATIONS_EXAMPLES } from './examples.ts'
import { OPERATIONS_TAGS } from './inputs.ts'

const DAY_MS = 86_400_000

/** What failed, and what nobody knows the outcome of. */
export function registerTroubleRoutes(
  instance: FastifyInstance,
  { reads }: { reads: Pick<OperationsReads, 'failures' | 'uncertain'> },
): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.get(
    '/operations/failures',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'listFailures',
        summary: 'What failed or expired, by cause',
        description:
          'Requests that ended with an error since a time, by its code: how many, the first and the last, the projects ' +
          'with the most of them, and the newest as a sample.',
        querystring: z.strictObject({
          since: instant('Only those that ended at this time or later; by default a day ago').optional(),
        }),
        response: {
          200: reply('By code', failuresSchema, OPERATIONS_EXAMPLES.failures),
          ...problemReplies([400, 503]),
        },
      },
    },
    ({ query }) => reads.failures(query.since ?? new Date(Date.now() - DAY_MS)),
  )

  app.get(
    '/operations/uncertain',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'listUncertain',
        summary: 'Attempts of unknown outcome',
        description:
          'Calls of batch-create whose answer was lost or cannot be relied on, with what the looks for their instances ' +
          'have found. The service finds out by itself; where it cannot, a person resolves the request.',
        querystring: z.strictObject({ limit, marker: marker.optional() }),
        response: {
          200: reply('One page', uncertainPageSchema, OPERATIONS_EXAMPLES.uncertain),
          ...problemReplies([400, 503]),
        },
      },
    },
    async ({ query }) => {
      const { lastId, ...page } = await reads.uncertain({ limit: query.limit, after: query.marker })
      return { ...page, next_marker: lastId === null ? null : idToMarker(lastId) }
    },
  )
}
