import { CloudDcAccessError, CloudDcThrottledError } from '../clouddc/errors.ts'
import type { RefusalReason } from '../clouddc/refusal.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import type { BucketEffect } from './apply-call-results.sql.ts'
import { effectOfThrottling } from './throttled.ts'

/** A missing answer now and then is the trouble of one request; this many in a row are the upstream's. */
const UNKNOWN_BEFORE_BREAK = 3

/** How long a bucket stays closed, growing with the troubles in a row: where CloudDC is unreachable, ... */
const UNAVAILABLE = { minMs: 1000, maxMs: 30_000 }
/** ... where only a person can help, and should see it work soon after, ... */
export const REFUSED = { minMs: 5000, maxMs: 60_000 }
/** ... and after a refused token, for longest: refused tokens lock accounts out. */
export const UNAUTHORIZED = { minMs: 5000, maxMs: 300_000 }

/** The code of a request that this service cannot turn into a call; it says nothing of CloudDC. */
export const NOT_SENDABLE = 'not_sendable'

/** What a creating call came to, as far as its project's budget is concerned. */
export type CallResult =
  | { class: 'created' }
  | {
      class: 'not_created'
      reason: RefusalReason | 'unreachable' | 'not_sent'
      code: string
      /** For `throttled`: how long CloudDC wants to be left alone, where it says so. */
      retryAfterMs: number | null
    }
  | {
      class: 'unknown'
      reason: string
      /** What the project's other calls would meet as well, where that is known. */
      closes?: 'misconfigured' | 'upstream_unavailable'
    }

/**
 * What a creating call's result means for its project's bucket, null when nothing. `troubles` counts the consecutive
 * troubles before this call; a probe is the one call let through after trouble.
 *
 * Closed for: throttled, see throttled.ts; upstream not reachable, or the third unknown outcome in a row, a growing
 * delay (the breaker); we ourselves refused, a longer one, and also where that leaves an outcome unknown. A call that
 * was not made is paid back (`payment`).
 */
export function bucketEffect(
  outcome: CallResult,
  {
    projectId,
    troubles,
    probing,
    payment,
    adaptive = false,
  }: { projectId: string; troubles: number; probing: boolean; payment: string; adaptive?: boolean },
  random: () => number = Math.random,
): BucketEffect | null {
  const count = troubles + 1
  const trouble = (reason: BucketEffect['reason'], blockMs: number | null): BucketEffect => ({
    projectId,
    effect: 'trouble',
    blockMs,
    reason: blockMs === null ? null : reason,
  })
  // An upstream that names instances, even the wrong ones, is reachable.
  if (outcome.class === 'unknown' && outcome.reason !== 'broken_promise') {
    if (outcome.closes === 'misconfigured')
      return trouble('misconfigured', jitteredBackoff(count, REFUSED, random))
    if (outcome.closes === 'upstream_unavailable')
      return trouble('upstream_unavailable', jitteredBackoff(count, UNAVAILABLE, random))
    const beyond = count - UNKNOWN_BEFORE_BREAK + 1
    if (beyond <= 0 && !probing) return trouble(null, null)
    return trouble('upstream_unavailable', jitteredBackoff(Math.max(1, beyond), UNAVAILABLE, random))
  }
  if (outcome.class === 'not_created') {
    switch (outcome.reason) {
      case 'throttled':
        return effectOfThrottling(
          { projectId, troubles, retryAfterMs: outcome.retryAfterMs, adaptive },
          random,
        )
      case 'unauthorized':
        return trouble('unauthorized', jitteredBackoff(count, UNAUTHORIZED, random))
      case 'forbidden':
      case 'misconfigured':
        return trouble(outcome.reason, jitteredBackoff(count, REFUSED, random))
      case 'unreachable':
        return trouble('upstream_unavailable', jitteredBackoff(count, UNAVAILABLE, random))
    }
    if (outcome.reason === 'not_sent' || outcome.code === NOT_SENDABLE)
      return { projectId, effect: 'work', blockMs: null, reason: null, refunds: [payment] }
  }
  return troubles > 0 || probing ? { projectId, effect: 'clear', blockMs: null, reason: null } : null
}

/**
 * What a failed reading call means for its project's bucket, null when nothing: as for creating, except that an
 * unreachable upstream does not close it. `troubles` counts the consecutive troubles before.
 */
export function effectOfFailedReading(
  error: unknown,
  {
    projectId,
    troubles,
    adaptive = false,
  }: { projectId: string; troubles: number; adaptive?: boolean | undefined },
  random: () => number = Math.random,
): BucketEffect | null {
  if (error instanceof CloudDcThrottledError) {
    const retryAfterMs = error.retryAfterMs ?? null
    return effectOfThrottling({ projectId, troubles, retryAfterMs, adaptive }, random)
  }
  if (error instanceof CloudDcAccessError) {
    const bounds = error.trouble === 'unauthorized' ? UNAUTHORIZED : REFUSED
    const blockMs = jitteredBackoff(troubles + 1, bounds, random)
    return { projectId, effect: 'trouble', blockMs, reason: error.trouble }
  }
  return null
}

/** What a good poll means for the bucket of a project that had been throttled or refused. */
export function effectOfRecovery(projectId: string): BucketEffect {
  return { projectId, effect: 'served', blockMs: null, reason: null }
}

/** What a reading call means that was paid for and not made. */
export function effectOfNoCall({ projectId, payment }: { projectId: string; payment: string }): BucketEffect {
  return { projectId, effect: 'refund', blockMs: null, reason: null, refunds: [payment] }
}
