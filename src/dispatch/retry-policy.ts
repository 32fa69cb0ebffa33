import { jitteredBackoff } from '../runtime/backoff.ts'
import type { BucketEffect } from '../store/sql/settle-buckets.ts'
import type { Outcome } from './outcome.ts'

/** An answer that is missing now and then is one request's trouble; this many in a row are the upstream's. */
const UNKNOWN_BEFORE_BREAK = 3

/** How long a bucket stays closed, growing with the troubles in a row: after a 429 without Retry-After, ... */
export const THROTTLED = { minMs: 1000, maxMs: 60_000 }
const UNAVAILABLE = { minMs: 1000, maxMs: 30_000 }
/** ... and after a refused token, for longer: refused tokens lock accounts out. */
export const UNAUTHORIZED = { minMs: 5000, maxMs: 300_000 }
/** A retry of a request whose attempt was found void, by number of attempts made. */
const RETRY = { minMs: 1000, maxMs: 300_000 }

/** The code of a request that this service cannot turn into a call; it says nothing of CloudDC. */
export const NOT_SENDABLE = 'not_sendable'

/** Adaptive mode: the part of the refill that a 429 leaves; what recovers per second is in the sweeper. */
export const SLOW_DOWN = 0.7

/**
 * What an outcome means for its project's bucket, null when nothing. `troubles` counts the consecutive troubles
 * before this call; a probe is the one call let through after trouble.
 *
 * Closed for: throttled, Retry-After or a growing delay; upstream not reachable, or the third unknown outcome in a
 * row, a growing delay (the breaker); token refused, a longer one, because refused tokens lock accounts out.
 * `refund` is what goes back into the bucket when the call was not made.
 */
export function bucketEffect(
  outcome: Outcome,
  {
    projectId,
    troubles,
    probing,
    refund,
    adaptive = false,
  }: { projectId: string; troubles: number; probing: boolean; refund: number; adaptive?: boolean },
  random: () => number = Math.random,
): BucketEffect | null {
  const count = troubles + 1
  const trouble = (reason: BucketEffect['reason'], blockMs: number | null): BucketEffect => ({
    projectId,
    effect: 'trouble',
    blockMs,
    reason: blockMs === null ? null : reason,
  })
  // What names instances, if the wrong ones, is there.
  if (outcome.class === 'unknown' && outcome.reason !== 'broken_promise') {
    const beyond = count - UNKNOWN_BEFORE_BREAK + 1
    if (beyond <= 0 && !probing) return trouble(null, null)
    return trouble('upstream_unavailable', jitteredBackoff(Math.max(1, beyond), UNAVAILABLE, random))
  }
  if (outcome.class === 'not_created') {
    switch (outcome.reason) {
      case 'throttled': {
        // Never earlier than asked for; later by a little, so that replicas of other services spread out.
        const blockMs =
          outcome.retryAfterMs === null
            ? jitteredBackoff(count, THROTTLED, random)
            : outcome.retryAfterMs * (1 + random() / 20)
        return { ...trouble('throttled', blockMs), ...(adaptive ? { slowDown: SLOW_DOWN } : {}) }
      }
      case 'unauthorized':
        return trouble('unauthorized', jitteredBackoff(count, UNAUTHORIZED, random))
      case 'unreachable':
        return trouble('upstream_unavailable', jitteredBackoff(count, UNAVAILABLE, random))
    }
    if (outcome.reason === 'not_sent' || outcome.code === NOT_SENDABLE)
      return { projectId, effect: 'work', blockMs: null, reason: null, refund }
  }
  return troubles > 0 || probing ? { projectId, effect: 'clear', blockMs: null, reason: null } : null
}

/** Milliseconds before a request is tried again after `attempts` attempts that came to nothing. */
export function retryDelay(attempts: number, random: () => number = Math.random): number {
  return jitteredBackoff(attempts, RETRY, random)
}
