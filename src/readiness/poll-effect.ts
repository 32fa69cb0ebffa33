import { leastCreditBack } from '../dispatch/token-bucket.ts'
import type { BucketEffect } from '../store/sql/settle-buckets.ts'

/** What a good poll means for the bucket of a project that had been throttled or refused. */
export function effectOfRecovery(projectId: string): BucketEffect {
  return { projectId, effect: 'served', blockMs: null, reason: null }
}

/** What goes back for a call that was not made, so long after its token was taken. */
export function effectOfNoCall(projectId: string, ageMs: number, refillPerSecond: number): BucketEffect {
  const refund = leastCreditBack(refillPerSecond, ageMs / 1000)
  return { projectId, effect: 'refund', blockMs: null, reason: null, refund }
}
