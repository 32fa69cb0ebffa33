import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { healthSchema, readinessSchema } from '../contracts/status.ts'
import { EXAMPLES } from './examples.ts'
import { ProblemError } from './problem.ts'
import type { ReadinessReport } from './readiness.ts'
import { problemReplies, problemReply, RETRY_AFTER, reply } from './replies.ts'

const TAGS = ['operation']

const NOT_READY = problemReply(503, {
  description: 'Not ready; `errors` lists the reasons',
  code: 'not_ready',
  detail: 'broker: not connected',
  errors: [{ path: 'broker', message: 'not connected' }],
  headers: RETRY_AFTER,
})

export function registerHealthRoutes(
  instance: FastifyInstance,
  options: { readiness: () => Promise<ReadinessReport>; isStopping: () => boolean },
): void {
  const { readiness, isStopping } = options
  const app = instance.withTypeProvider<ZodTypeProvider>()

  app.get(
    '/healthz',
    {
      schema: {
        tags: TAGS,
        operationId: 'getHealth',
        summary: 'Whether the process is alive',
        description: 'For liveness probes. Nothing else is asked, so an outage of a server restarts nobody.',
        response: { 200: reply('Alive', healthSchema, EXAMPLES.health), ...problemReplies([]) },
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
        summary: 'Whether database, broker and migrations are fine',
        description: 'For readiness probes. CloudDC is not asked. A process that is stopping is not ready.',
        response: {
          200: reply('Ready', readinessSchema, EXAMPLES.readiness),
          503: NOT_READY,
          ...problemReplies([]),
        },
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
}
