import type { Logger } from 'pino'

const REMINDER_MS = 60_000

/** Logs an outage when it begins, once a minute while it lasts, and when it ends: not a line per failed try. */
export function createOutageLog({ logger, subject }: { logger: Logger; subject: string }) {
  let failures = 0
  let beganAt = 0
  let remindedAt = 0

  return {
    failed(error: unknown) {
      const now = performance.now()
      failures += 1
      if (failures === 1) {
        beganAt = now
        remindedAt = now
        logger.warn({ err: error }, `${subject}: failing, will keep trying`)
      } else if (now - remindedAt >= REMINDER_MS) {
        remindedAt = now
        logger.warn(
          { err: error, failures, seconds: Math.round((now - beganAt) / 1000) },
          `${subject}: still failing`,
        )
      }
    },
    recovered() {
      if (failures === 0) return
      logger.info({ failures, seconds: (performance.now() - beganAt) / 1000 }, `${subject}: works again`)
      failures = 0
    },
  }
}
