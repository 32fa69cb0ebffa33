import type { Logger } from 'pino'
import {
  CloudDcAccessError,
  CloudDcError,
  CloudDcRefusedError,
  CloudDcUnexpectedError,
} from '../clouddc/errors.ts'
import { coerceError } from '../runtime/errors.ts'

/** Projects remembered at most: the log of the others begins anew. */
const MAX_PROJECTS = 1000

export interface ReadingLog {
  /** A reading failed; returns how many did in a row, for the same reason. */
  failed(projectId: string, why: 'forbidden' | 'failed', error: unknown): number
  /** A reading went well. */
  read(projectId: string): void
}

/** Logs readings that fail: one warning for each project, and that it is over. */
export function createReadingLog({ logger }: { logger: Logger }): ReadingLog {
  const failing = new Map<string, { why: string; failures: number }>()
  return {
    failed: (projectId, why, error) => {
      const known = failing.get(projectId)
      const failures = known?.why === why ? known.failures + 1 : 1
      failing.delete(projectId)
      failing.set(projectId, { why, failures })
      const [oldest] = failing.keys()
      if (failing.size > MAX_PROJECTS && oldest !== undefined) failing.delete(oldest)
      if (failures === 1) {
        const message =
          why === 'forbidden'
            ? "this project's servers cannot be read: its orders go without preflight"
            : "a reading of the project's servers failed: orders go without preflight until one works"
        logger.warn({ projectId, reason: coerceError(error).message, ...factsOf(error) }, message)
      }
      return failures
    },
    read: (projectId) => {
      if (failing.delete(projectId)) logger.info({ projectId }, "the project's servers can be read again")
    },
  }
}

function factsOf(error: unknown): object {
  if (!(error instanceof CloudDcError)) return {}
  const { status: httpStatus, code, upstreamRequestId } = error
  return { httpStatus, code, upstreamRequestId }
}

/**
 * Whether this account, or whatever stands in CloudDC's place, has no such reading to give: it is forbidden or unknown
 * there, or its answer is none. Trying again soon would change nothing.
 */
export function isNotAllowed(error: unknown): boolean {
  if (error instanceof CloudDcRefusedError) return true
  const status = error instanceof CloudDcError ? error.status : null
  if (status === null || status >= 500) return false
  if (error instanceof CloudDcAccessError) return error.trouble !== 'unauthorized'
  return error instanceof CloudDcUnexpectedError && status < 300
}
