import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { TaggedOverview } from '../../operations/overview.ts'
import { overviewSchema } from '../../operations/overview-reply.ts'
import { namesTag } from '../etag.ts'
import { conditionalHeaders } from '../parameters.ts'
import { NOT_MODIFIED, problemReplies, reply, TAGGED } from '../replies.ts'
import { OPERATIONS_TAGS } from './inputs.ts'
import { OVERVIEW_EXAMPLE } from './overview-example.ts'

export interface OverviewRouteOptions {
  read: () => Promise<TaggedOverview>
}

export function registerOverviewRoute(instance: FastifyInstance, { read }: OverviewRouteOptions): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/operations/overview',
    {
      schema: {
        tags: OPERATIONS_TAGS,
        operationId: 'getOverview',
        summary:
          'How the installation stands: what is broken, what flows, what waits, what is used, what failed',
        description:
          'All that the page for operators shows. Ask again with `If-None-Match`: it is read at most once a second, ' +
          'however many ask, and parts that take long more rarely. Lists are bounded, the most troubled first; totals count all.',
        headers: conditionalHeaders,
        response: {
          200: { ...reply('As it stands', overviewSchema, OVERVIEW_EXAMPLE), headers: TAGGED },
          304: NOT_MODIFIED,
          ...problemReplies([400, 503]),
        },
      },
    },
    async ({ headers }, answer) => {
      const { overview, tag } = await read()
      answer.headers({ etag: tag, 'cache-control': 'private, no-cache' })
      return namesTag(headers['if-none-match'], tag) ? answer.code(304).send() : answer.send(overview)
    },
  )
}
