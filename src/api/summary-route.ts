import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { type Summary, summarySchema } from '../contracts/summary.ts'
import { EXAMPLES } from './examples.ts'
import { projectParams } from './parameters.ts'
import type { Reads } from './reads.ts'
import { problemReplies, reply } from './replies.ts'

export function registerSummaryRoute(
  instance: FastifyInstance,
  { reads }: { reads: Pick<Reads, 'summary'> },
): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/v1/:project_id/summary',
    {
      schema: {
        tags: ['provision requests'],
        operationId: 'getSummary',
        summary: 'How a project stands: requests by state, its call limit, what waits for longest',
        description:
          'Open requests are counted up to 100,000, ended ones of each state up to 10,000, of those that are kept ' +
          '(`RETENTION_DAYS`). A project that nobody knows has none.',
        params: projectParams,
        response: {
          200: reply('Its summary', summarySchema, EXAMPLES.summary),
          ...problemReplies([400, 503]),
        },
      },
    },
    ({ params }): Promise<Summary> => reads.summary(params.project_id),
  )
}
