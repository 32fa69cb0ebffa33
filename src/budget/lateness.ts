/** How long ages are remembered, at least. */
const MEMORY_MS = 10_000
/** The most lateness that is paid for in advance. */
const MOST_USUAL_MS = 1000

/** A call that is paid for, and not yet made. */
export interface PaidCall {
  /** Milliseconds since its payment was sent: no less than since its token was taken on the database's clock. */
  age: () => number
  /** How late the call may be, in milliseconds, as the payment has returned it (pay.sql.ts). */
  roomMs: number
  /** UUID. The name of its payment, by which it is paid back if it is not made. */
  payment: string
  /** The credential that has paid: the call may be made with this one only. */
  credentialId: string
}

export interface Lateness {
  /** Milliseconds that all calls of the last seconds were late by, to be told with each payment. */
  usualMs(): number
  /**
   * Throws when a call is too late to be made; asked in the instant before it is written. Calls of one payment may
   * share it.
   */
  check(call: Pick<PaidCall, 'age' | 'roomMs'>): void
}

/** A call was held up for longer after its payment than the payment allows. It must not be made. */
export class LateCallError extends Error {
  override readonly name = 'LateCallError'
}

/**
 * Keeps the call limit true where CloudDC counts: at the arrival. A call that was held up after its payment (a stopped
 * process, a busy machine, a slow connection) would arrive together with those that were paid for later. So each
 * payment says how late its calls may be, and a call that is later than that is not made: it must pay again.
 *
 * Lasting slowness must not stop everything: what the calls are late by as a rule, the least lateness of the last 10 to
 * 20 seconds, is told with the next payments, and paid for. Calls that are refused count as well.
 */
export function createLateness(now: () => number = () => performance.now()): Lateness {
  let least = Number.POSITIVE_INFINITY
  let leastBefore = Number.POSITIVE_INFINITY
  let since = now()

  const observe = (ageMs: number) => {
    const at = now()
    if (at - since >= MEMORY_MS) {
      leastBefore = least
      least = Number.POSITIVE_INFINITY
      since = at
    }
    least = Math.min(least, ageMs)
  }

  return {
    usualMs: () => {
      const usual = Math.min(least, leastBefore)
      return Number.isFinite(usual) ? Math.max(0, Math.min(usual, MOST_USUAL_MS)) : 0
    },
    check: ({ age, roomMs }) => {
      const ageMs = age()
      observe(ageMs)
      if (ageMs > roomMs)
        throw new LateCallError(
          `held up for ${Math.round(ageMs)} ms after it was paid for, too late to be made`,
        )
    },
  }
}
