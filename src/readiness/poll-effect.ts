import { CloudDcThrottledError, CloudDcUnauthorizedError } from '../clouddc/errors.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import type { BucketEffect } from '../store/sql/settle-buckets.ts'

/**
 * What a failed poll means for its project's bucket, null when nothing: as for creating (dispatch/retry-policy.ts), but
 * that an upstream that is away closes it for nobody.
 */
export function effectOfFailure(projectId: string, error: unknown): BucketEffect | null {
  if (error instanceof CloudDcThrottledError) {
    const blockMs = error.retryAfterMs ?? jitteredBackoff(1, { minMs: 1000, maxMs: 1000 })
    return { projectId, effect: 'trouble', blockMs, reason: 'throttled' }
  }
  // Refused tokens in a row lock an account out.
  if (error instanceof CloudDcUnauthorizedError) {
    return {
      projectId,
      effect: 'trouble',
      blockMs: jitteredBackoff(1, { minMs: 10_000, maxMs: 10_000 }),
      reason: 'unauthorized',
    }
  }
  return null
}

/** What a good poll means for the bucket of a project that had been throttled or refused. */
export function effectOfRecovery(projectId: string): BucketEffect {
  return { projectId, effect: 'clear', blockMs: null, reason: null }
}
