import type { Logger } from 'pino'
import { coerceError } from '../../runtime/errors.ts'

/** Renews a credential: calls at the same moment share one try, and a failed one is logged and means that none is new. */
export function createRenewal({
  what,
  renew,
  logger,
}: {
  what: string
  /** Whether there is another credential now. */
  renew: () => Promise<boolean>
  logger: Logger
}): () => Promise<boolean> {
  let renewing: Promise<boolean> | undefined
  const tryOnce = async () => {
    try {
      return await renew()
    } catch (error) {
      logger.warn({ reason: coerceError(error).message }, `${what} could not be renewed`)
      return false
    } finally {
      renewing = undefined
    }
  }
  return () => {
    renewing ??= tryOnce()
    return renewing
  }
}
