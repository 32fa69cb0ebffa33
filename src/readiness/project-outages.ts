import type { Logger } from 'pino'
import { createOutageLog } from '../runtime/outage-log.ts'

export interface ProjectOutages {
  /** A call of the project failed, or its result could not be recorded. */
  failed(projectId: string, error: unknown): void
  /** All calls of the project worked. */
  succeeded(projectId: string): void
}

/**
 * The log of polls that fail: together they are one outage, which ends when the last project works again. A project
 * that is polled no more, or by others now, is no outage: it is forgotten after `forgetMs`.
 */
export function createProjectOutages({
  logger,
  forgetMs,
}: {
  logger: Logger
  forgetMs: number
}): ProjectOutages {
  const outage = createOutageLog({ logger, subject: 'readiness polling' })
  /** When a call of a project failed last, by performance.now(). */
  const failing = new Map<string, number>()
  return {
    failed: (projectId, error) => {
      failing.set(projectId, performance.now())
      outage.failed(error)
    },
    succeeded: (projectId) => {
      failing.delete(projectId)
      const longAgo = performance.now() - forgetMs
      for (const [other, failedAt] of failing) if (failedAt < longAgo) failing.delete(other)
      if (failing.size === 0) outage.recovered()
    },
  }
}
