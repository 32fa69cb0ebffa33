import type { Logger } from 'pino'
import { coerceError } from '../../runtime/errors.ts'

/**
 * Renews credentials: calls for the same source at the same moment share one try, and a failed one is logged and means
 * that none is new.
 */
export function createRenewal<Of extends object>({ what, logger }: { what: string; logger: Logger }) {
  const renewing = new Map<Of, Promise<boolean>>()

  /** `renew` tells whether there is another credential now. */
  return (source: Of, renew: () => Promise<boolean>): Promise<boolean> => {
    const tryOnce = async () => {
      try {
        return await renew()
      } catch (error) {
        logger.warn({ reason: coerceError(error).message }, `${what} could not be renewed`)
        return false
      } finally {
        renewing.delete(source)
      }
    }
    const under = renewing.get(source)
    if (under !== undefined) return under
    const started = tryOnce()
    renewing.set(source, started)
    return started
  }
}
