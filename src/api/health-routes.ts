import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { healthSchema, readinessSchema } from '../contracts/status.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { ProblemError } from './problem.ts'
import type { ReadinessReport } from './readiness.ts'
import { replies } from './replies.ts'

const TAGS = ['operation']

export function registerHealthRoutes(
  instance: FastifyInstance,
  options: { readiness: () => Promise<ReadinessReport>; isStopping: () => boolean; metrics: Metrics },
): void {
  const { readiness, isStopping, metrics } = options
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.get(
    '/healthz',
    {
      schema: {
        tags: TAGS,
        operationId: 'getHealth',
        summary: 'Whether the process is alive; asks nobody else',
        response: replies(healthSchema, 'Alive', []),
      },
    },
    async (): Promise<z.output<typeof healthSchema>> => ({ status: 'ok' }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags: TAGS,
        operationId: 'getReadiness',
        summary: 'Whether database, broker and migrations are fine; CloudDC is not asked',
        response: replies(readinessSchema, 'Ready', [503]),
      },
    },
    async (): Promise<z.output<typeof readinessSchema>> => {
      const report = await readiness()
      const errors = [...report].flatMap(([path, message]) => (message === null ? [] : [{ path, message }]))
      if (isStopping()) errors.unshift({ path: 'process', message: 'is stopping' })
      if (errors.length > 0) {
        const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ')
        throw new ProblemError({
          status: 503,
          code: 'not_ready',
          detail,
          errors,
          headers: { 'retry-after': '1' },
        })
      }
      return { status: 'ready', checks: Object.fromEntries([...report.keys()].map((name) => [name, 'ok'])) }
    },
  )

  app.get(
    '/metrics',
    {
      schema: {
        tags: TAGS,
        operationId: 'getMetrics',
        summary: 'Metrics as Prometheus text',
        response: { 200: { description: 'Metrics', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (_request, reply) => {
      const text = await metrics.registry.metrics()
      return reply.header('content-type', metrics.registry.contentType).send(text)
    },
  )
}
