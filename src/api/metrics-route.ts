import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Metrics } from '../telemetry/metrics.ts'
import { EXAMPLES } from './examples.ts'
import { problemReplies, reply } from './replies.ts'

export function registerMetricsRoute(instance: FastifyInstance, { metrics }: { metrics: Metrics }): void {
  const app = instance.withTypeProvider<ZodTypeProvider>()
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['operation'],
        operationId: 'getMetrics',
        summary: 'Metrics as Prometheus text',
        description:
          'docs/operations.md says what to alert on. Gauges about rows are the same on every replica.',
        response: {
          200: reply('Metrics', z.string(), EXAMPLES.metrics, 'text/plain'),
          ...problemReplies([]),
        },
      },
    },
    async (_request, answer) => {
      const text = await metrics.registry.metrics()
      return answer.header('content-type', metrics.registry.contentType).send(text)
    },
  )
}
