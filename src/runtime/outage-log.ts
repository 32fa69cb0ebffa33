import type { Logger } from 'pino'

/** How often a cause is logged while it lasts. */
const REMINDER_MS = 60_000

export interface OutageLogOptions {
  logger: Logger
  subject: string
  /**
   * Whether single failures come and go: then a cause is logged at most once a minute over all outages, and an end
   * only for an outage that was logged. Otherwise each outage is logged. Default false.
   */
  flaps?: boolean
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}

/**
 * Logs an outage when it begins, once a minute while it lasts, and when it ends: not a line per failed try. Each
 * cause is logged on its own; there must be few of them.
 */
export function createOutage({
  logger,
  subject,
  flaps = false,
  now = () => performance.now(),
}: OutageLogOptions) {
  /** When each cause was last logged, and which were logged in the present outage. */
  const toldAt = new Map<string, number>()
  const causes = new Set<string>()
  let failures = 0
  let beganAt = 0

  return {
    failed(facts: object, cause = '') {
      const at = now()
      if (failures === 0) beganAt = at
      failures += 1
      if (at - (toldAt.get(cause) ?? Number.NEGATIVE_INFINITY) < REMINDER_MS) return
      toldAt.set(cause, at)
      if (causes.has(cause)) {
        const seconds = Math.round((at - beganAt) / 1000)
        logger.warn({ ...facts, failures, seconds }, `${subject}: still failing`)
      } else {
        causes.add(cause)
        logger.warn(facts, `${subject}: failing, will keep trying`)
      }
    },
    recovered() {
      if (failures === 0) return
      if (causes.size > 0)
        logger.info({ failures, seconds: (now() - beganAt) / 1000 }, `${subject}: works again`)
      failures = 0
      causes.clear()
      if (!flaps) toldAt.clear()
    },
  }
}

export type OutageLog = ReturnType<typeof createOutageLog>

/** The log of an outage that shows in errors. */
export function createOutageLog(options: OutageLogOptions) {
  const outage = createOutage(options)
  return {
    failed: (error: unknown) => outage.failed({ err: error }),
    recovered: outage.recovered,
  }
}
