import { CloudDcThrottledError, CloudDcUnauthorizedError } from '../clouddc/errors.ts'
import { THROTTLED, UNAUTHORIZED } from '../dispatch/retry-policy.ts'
import { leastCreditBack } from '../dispatch/token-bucket.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import type { BucketEffect } from '../store/sql/settle-buckets.ts'

/**
 * What a failed poll means for its project's bucket, null when nothing. `troubles` counts the consecutive troubles
 * before. As for creating (dispatch/retry-policy.ts), but that an upstream that is away closes it for nobody.
 */
export function effectOfFailure(projectId: string, error: unknown, troubles: number): BucketEffect | null {
  if (error instanceof CloudDcThrottledError) {
    const blockMs = error.retryAfterMs ?? jitteredBackoff(troubles + 1, THROTTLED)
    return { projectId, effect: 'trouble', blockMs, reason: 'throttled' }
  }
  // Refused tokens in a row lock an account out.
  if (error instanceof CloudDcUnauthorizedError) {
    const blockMs = jitteredBackoff(troubles + 1, UNAUTHORIZED)
    return { projectId, effect: 'trouble', blockMs, reason: 'unauthorized' }
  }
  return null
}

/** What a good poll means for the bucket of a project that had been throttled or refused. */
export function effectOfRecovery(projectId: string): BucketEffect {
  return { projectId, effect: 'served', blockMs: null, reason: null }
}

/** What goes back for a call that was not made, so long after its token was taken. */
export function effectOfNoCall(projectId: string, ageMs: number, refillPerSecond: number): BucketEffect {
  const refund = leastCreditBack(refillPerSecond, ageMs / 1000)
  return { projectId, effect: 'refund', blockMs: null, reason: null, refund }
}
