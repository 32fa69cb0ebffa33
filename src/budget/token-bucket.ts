/**
 * The arithmetic of a project's call budget. The SQL of dispatch/claim-requests.sql.ts applies the same rule on the
 * database's clock; the tests hold the two against each other.
 */

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

/** How much later one call may arrive upstream than another, both counted from their tokens, in seconds. */
const ARRIVAL_SPREAD_SECONDS = 0.1
/** The largest share of the rate that is given up where the burst leaves no room for the spread. */
const RATE_MARGIN = 0.01
/**
 * Below this burst the bucket is tight: it holds one token, and begins to fill again when its call has been written.
 */
const TIGHT_BELOW_BURST = 2

/**
 * The bucket for a configured limit. The limit is promised for calls as CloudDC sees them, at most
 * `burst + perSecond * T` in any window of T seconds, but tokens are taken a moment before: with arrival spread J, a
 * bucket of capacity c and refill r lets `c + r * (T + J)` through. So J * r is taken off the burst, at most half of
 * what it has above 1, because a claim that comes late needs room to catch up in. A call that is later than that is
 * not sent (arrival-guard.ts).
 *
 * A burst below two leaves no such room. Then the bucket is tight: it counts a call from when it is written, however
 * late that is, and J, now only the differences in transit, costs at most 1 % of the rate.
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

export interface BucketLevel {
  tokens: number
  /** Seconds on one clock. */
  refilledAt: number
}

/** The level at `at`; a clock that stands behind the last refill adds nothing and takes nothing away. */
export function refill(level: BucketLevel, limit: BucketLimit, at: number): BucketLevel {
  const elapsed = Math.max(0, at - level.refilledAt)
  return {
    tokens: Math.min(limit.capacity, level.tokens + elapsed * limit.refillPerSecond),
    refilledAt: Math.max(level.refilledAt, at),
  }
}

/** Takes up to `wanted` whole tokens. */
export function take(level: BucketLevel, wanted: number): { taken: number; level: BucketLevel } {
  const taken = Math.min(wanted, Math.floor(level.tokens))
  return { taken, level: { ...level, tokens: level.tokens - taken } }
}

/**
 * How much of a token goes back when its call was not made, `seconds` after it was taken from `level`. Had it stayed in
 * the bucket, the bucket might have been full meanwhile; what it would not have held is lost, or others could spend a
 * full bucket and this besides.
 */
export function creditBack(level: number, limit: BucketLimit, seconds: number): number {
  const overflow = Math.max(0, level + seconds * limit.refillPerSecond - limit.capacity)
  return Math.max(0, 1 - overflow)
}

/** Guaranteed minimum refund where the level is not known: the bucket was full at most. */
export function leastCreditBack(refillPerSecond: number, seconds: number): number {
  return creditBack(1, { refillPerSecond, capacity: 1 }, seconds)
}

/** Seconds until one whole token is there. */
export function secondsToToken(level: BucketLevel, limit: BucketLimit): number {
  return Math.max(0, (1 - level.tokens) / limit.refillPerSecond)
}
