export interface CallLimit {
  perSecond: number
  burst: number
}

export interface BucketLimit {
  /** Tokens that flow in per second. */
  refillPerSecond: number
  /** The most tokens the bucket holds. */
  capacity: number
}

/** How much later one call may arrive upstream than another in any case, in seconds from their tokens. */
export const ARRIVAL_SPREAD_SECONDS = 0.1
/** The largest share of the rate that is given up where the burst leaves no room for the spread. */
const RATE_MARGIN = 0.01
/** Below this burst the bucket is tight. */
const TIGHT_BELOW_BURST = 2

/**
 * The bucket for a configured limit. The limit is promised for calls as CloudDC sees them, at most
 * `burst + perSecond * T` in any window of T seconds, but tokens are taken a moment before: with arrival spread J, a
 * bucket of capacity c and refill r lets `c + r * (T + J)` through. So J * r is taken off the burst, at most half of
 * what it has above 1, because a claim that comes late needs room to catch up in. How late a call may be beyond that,
 * and what it pays for it, is in pay.sql.ts.
 *
 * A burst below two leaves no such room. Then the bucket is tight: it holds one token and counts a call from when it is
 * written, however late that is, and J, now only the differences in transit, costs at most 1 % of the rate.
 */
export function bucketLimit({ perSecond, burst }: CallLimit): BucketLimit {
  if (burst < TIGHT_BELOW_BURST) {
    const intervalSeconds = 1 / perSecond
    const margin = Math.min(ARRIVAL_SPREAD_SECONDS, intervalSeconds * RATE_MARGIN)
    return { refillPerSecond: Math.min(perSecond, 1 / (intervalSeconds + margin)), capacity: 1 }
  }
  const headroom = Math.min(perSecond * ARRIVAL_SPREAD_SECONDS, (burst - 1) / 2)
  return { refillPerSecond: perSecond, capacity: burst - headroom }
}
