import type { Logger } from 'pino'
import type { Outcome } from '../attempt/outcome.ts'
import { NOT_SENDABLE } from '../budget/call-effect.ts'
import { createOutage } from '../runtime/outage-log.ts'

/** Projects whose outages are logged one by one. Failures beyond them are logged as one. */
const MAX_PROJECTS = 1000
/** A project without a failure for longer than any bucket stays closed may be forgotten. */
const FORGET_MS = 15 * 60_000

interface ProjectLog {
  outage: ReturnType<typeof createOutage>
  failedAt: number
}

export interface CallLog {
  /** Logs a batch-create call of the project, if it is news. */
  tell(call: { projectId: string; credentialId: string }, outcome: Outcome): void
}

/**
 * Logs batch-create: that a project's calls fail, once for each cause, then once a minute while that lasts, then that
 * they work again. An order that CloudDC refuses is a call that works; the status of its request shows it.
 */
export function createCallLog({
  logger,
  now = () => performance.now(),
  maxProjects = MAX_PROJECTS,
}: {
  logger: Logger
  now?: () => number
  maxProjects?: number
}): CallLog {
  const outageOf = (fields: object) =>
    createOutage({ logger: logger.child(fields), subject: 'batch-create', flaps: true, now })
  /** By project, the one that failed last at the end. */
  const projects = new Map<string, ProjectLog>()
  let others: ProjectLog | undefined

  const logOf = (projectId: string, at: number): ProjectLog => {
    const known = projects.get(projectId)
    projects.delete(projectId)
    const [oldest] = projects
    if (oldest !== undefined && at - oldest[1].failedAt > FORGET_MS) projects.delete(oldest[0])
    if (known === undefined && projects.size >= maxProjects) {
      if (others === undefined || at - others.failedAt > FORGET_MS)
        others = { outage: outageOf({ projects: 'others' }), failedAt: at }
      return others
    }
    const log = known ?? { outage: outageOf({ projectId }), failedAt: at }
    projects.set(projectId, log)
    return log
  }

  return {
    tell: ({ projectId, credentialId }, outcome) => {
      if (outcome.class === 'created' || (outcome.reason === 'refused' && outcome.code !== NOT_SENDABLE)) {
        projects.get(projectId)?.outage.recovered()
        return
      }
      // Trouble of our own, which is logged elsewhere or shown by the request.
      if (outcome.reason === 'not_sent' || outcome.code === NOT_SENDABLE) return
      const { reason: cause, code, message, httpStatus, upstreamRequestId } = outcome
      const at = now()
      const log = logOf(projectId, at)
      log.failedAt = at
      const facts = { cause, code, httpStatus, reason: message, upstreamRequestId, credential: credentialId }
      log.outage.failed(facts, cause)
    },
  }
}
