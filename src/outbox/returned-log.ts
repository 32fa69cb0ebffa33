import type { Logger } from 'pino'

/** How often a kind is logged while its events come back. */
const REMINDER_MS = 3_600_000

/**
 * Logs that no queue takes events of a kind: the first at once, then at most one line an hour with the number since. Many
 * consumers want some kinds only, so it is no warning.
 */
export function createReturnedLog({
  logger,
  now = () => performance.now(),
}: {
  logger: Logger
  /** Milliseconds on a clock that never goes back. */
  now?: () => number
}): (kind: string) => void {
  const kinds = new Map<string, { toldAt: number; untold: number }>()
  return (kind) => {
    const known = kinds.get(kind) ?? { toldAt: Number.NEGATIVE_INFINITY, untold: 0 }
    kinds.set(kind, known)
    known.untold += 1
    if (now() - known.toldAt < REMINDER_MS) return
    logger.info(
      { kind, events: known.untold },
      'no queue is bound for events of this kind: they go to nobody',
    )
    known.toldAt = now()
    known.untold = 0
  }
}
