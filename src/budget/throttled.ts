import { jitteredBackoff } from '../runtime/backoff.ts'
import { SLOW_DOWN } from './adaptive-rate.sql.ts'
import type { BucketEffect } from './apply-call-results.sql.ts'

/** How long the bucket stays closed without Retry-After, growing with the troubles in a row. */
const WITHOUT_RETRY_AFTER = { minMs: 1000, maxMs: 60_000 }
/** Retry-After is exceeded by up to this part, so that services that were throttled together do not come back so. */
const JITTER_PART = 0.05

/** A call that CloudDC has answered with 429. */
export interface ThrottledCall {
  projectId: string
  /** Consecutive troubles of the project before this call. */
  troubles: number
  /** How long CloudDC wants to be left alone, where it says so. */
  retryAfterMs: number | null
  /** Whether a 429 also lowers the rate (adaptive-rate.sql.ts). */
  adaptive: boolean
}

/**
 * What a 429 means, for creating and reading calls alike: the project's bucket is closed for all replicas, for
 * Retry-After and a little more, or for a growing delay; then one call at a time probes it, until one is served. It
 * costs the request no attempt. Never earlier than CloudDC asked for.
 */
export function effectOfThrottling(
  { projectId, troubles, retryAfterMs, adaptive }: ThrottledCall,
  random: () => number = Math.random,
): BucketEffect {
  const blockMs =
    retryAfterMs === null
      ? jitteredBackoff(troubles + 1, WITHOUT_RETRY_AFTER, random)
      : retryAfterMs * (1 + random() * JITTER_PART)
  const closed = { projectId, effect: 'trouble', blockMs, reason: 'throttled' } as const
  return adaptive ? { ...closed, slowDown: SLOW_DOWN } : closed
}
