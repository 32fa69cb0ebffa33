import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { type InstanceReply, instanceSchema } from '../contracts/status.ts'
import { EXAMPLES } from './examples.ts'
import { instanceParams } from './parameters.ts'
import { notFound } from './problem.ts'
import type { Reads } from './reads.ts'
import { problemReplies, reply } from './replies.ts'

export function registerInstancesRoutes(instance: FastifyInstance, { reads }: { reads: Reads }): void {
  instance.withTypeProvider<ZodTypeProvider>().get(
    '/v1/:project_id/instances/:instance_id',
    {
      schema: {
        tags: ['instances'],
        operationId: 'getInstance',
        summary: 'One instance and the provision request it belongs to',
        description:
          'Finds the request behind an instance that this service has ordered, by the id CloudDC gave it.',
        params: instanceParams,
        response: {
          200: reply('The instance', instanceSchema, EXAMPLES.instance),
          ...problemReplies([400, 404, 503]),
        },
      },
    },
    async ({ params }): Promise<InstanceReply> => {
      const found = await reads.instance({ projectId: params.project_id, instanceId: params.instance_id })
      if (found !== null) return found
      throw notFound(
        `project ${params.project_id} has no instance ${params.instance_id} that was ordered here`,
      )
    },
  )
}
