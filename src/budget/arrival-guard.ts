import { bucketLimit, type CallLimit } from './token-bucket.ts'

/**
 * How long ages are remembered, at least: long enough to know the usual one, short enough to follow a change of
 * route.
 */
const MEMORY_MS = 10_000
/** Share of the allowed spread that a call may have used up when it is written; the rest is for its transit. */
const PART_BEFORE_WRITING = 0.7
/** A burst of one leaves no room at all; clocks and networks need this much, in milliseconds. */
const LEAST_SPREAD_MS = 25
/**
 * The first calls of a process are its slowest. For so long after them, no age counts as usual that was longer than
 * the other.
 */
const WARM_UP_MS = 1000
const QUICK_MS = 15

export interface ArrivalGuard {
  /**
   * Whether a call may be written now, `ageMs` after its token was taken, when it may be `spreadMs` later than the
   * calls around it.
   */
  admits(call: { ageMs: number; spreadMs: number }): boolean
}

/**
 * Keeps the call limit true where CloudDC counts: at the arrival. A call that was held up after it got its token (a
 * stopped process, a busy machine, a slow connection) would arrive together with those that got theirs later. It does
 * not matter how long a call is in transit, only how much longer than the others; so its age is compared with the
 * least of the last ages, refused ones included, and uniform latency is not lateness, once the process has warmed up.
 * After a silence, or a stop of the process, what was usual before it still counts.
 */
export function createArrivalGuard(now: () => number = () => performance.now()): ArrivalGuard {
  let least = Number.POSITIVE_INFINITY
  let leastBefore = Number.POSITIVE_INFINITY
  let since = now()
  let firstAt: number | undefined
  return {
    admits: ({ ageMs, spreadMs }) => {
      const at = now()
      if (at - since >= MEMORY_MS) {
        leastBefore = at - since < 2 * MEMORY_MS ? least : Math.min(least, leastBefore)
        least = Number.POSITIVE_INFINITY
        since = at
      }
      firstAt ??= at
      least = Math.min(least, ageMs)
      const usual = Math.min(
        least,
        leastBefore,
        at - firstAt < WARM_UP_MS ? QUICK_MS : Number.POSITIVE_INFINITY,
      )
      return ageMs - usual <= Math.max(spreadMs * PART_BEFORE_WRITING, LEAST_SPREAD_MS)
    },
  }
}

/**
 * How much later than others a call may arrive, in milliseconds, when its token was one of `tokens`: from there at most
 * `tokens + perSecond * (T + spread)` calls arrive in T seconds, and `burst + perSecond * T` are allowed. A bucket that
 * refills more slowly than the limit leaves the difference between two of its tokens besides.
 */
export function allowedSpreadMs(tokens: number, limit: CallLimit): number {
  const { perSecond, burst } = limit
  const slackSeconds = 1 / bucketLimit(limit).refillPerSecond - 1 / perSecond
  return (Math.max(0, burst - tokens) / perSecond + slackSeconds) * 1000
}
