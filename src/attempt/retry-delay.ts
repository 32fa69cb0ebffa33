import { REFUSED } from '../budget/call-effect.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import type { NotCreatedReason } from './outcome.ts'

/** A retry of a request whose attempt was found void, by number of attempts made. */
const RETRY = { minMs: 1000, maxMs: 300_000 }

/**
 * Milliseconds before a request is sent again after a refusal of the service, null for at once. A missing
 * permission or a proxy's rule may concern this one order alone: others of its project must be the probe meanwhile.
 */
export function standAside(
  reason: NotCreatedReason,
  attemptNumber: number,
  random: () => number = Math.random,
): number | null {
  return reason === 'forbidden' || reason === 'misconfigured'
    ? jitteredBackoff(attemptNumber, REFUSED, random)
    : null
}

/** Milliseconds before a request is tried again after `attempts` failed attempts. */
export function retryDelay(attempts: number, random: () => number = Math.random): number {
  return jitteredBackoff(attempts, RETRY, random)
}
