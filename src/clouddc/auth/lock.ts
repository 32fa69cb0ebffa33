/** The gateway locks a key for five minutes; what it counts may end a little later than we think. */
export const LOCK_MS = 5 * 60_000 + 15_000

/** Whether the gateway has locked a key, as far as its answers tell. */
export function createLock(now: () => number = () => performance.now()) {
  let until = Number.NEGATIVE_INFINITY
  return {
    close: () => {
      until = now() + LOCK_MS
    },
    /** Whether nothing may be sent with it. */
    isClosed: () => now() < until,
  }
}
