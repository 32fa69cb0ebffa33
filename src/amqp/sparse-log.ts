import type { Logger } from 'pino'

const EVERY_MS = 60_000

/** Logs an error that may come in floods: the first at once, then at most one line a minute with the count. */
export function createSparseLog({ logger, message }: { logger: Logger; message: string }) {
  let unlogged = 0
  let loggedAt = Number.NEGATIVE_INFINITY
  return (error: unknown) => {
    unlogged += 1
    const now = performance.now()
    if (now - loggedAt < EVERY_MS) return
    logger.error({ err: error, times: unlogged }, message)
    loggedAt = now
    unlogged = 0
  }
}
