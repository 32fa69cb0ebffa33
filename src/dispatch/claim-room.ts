/** While a call takes no longer than this, in milliseconds, as many again are claimed as may be in flight. */
const QUICK_CALL_MS = 10
/** Weight of the last call in the average of all. */
const WEIGHT = 0.05
/** Outcomes that may wait for the database, per call that may be in flight. */
const UNRECORDED_PER_CALL = 8

export interface ClaimRoom {
  /** How many requests may be claimed now. */
  free(load: { unanswered: number; unrecorded: number }): number
  /** Reports how long a call took, in milliseconds. */
  took(callMs: number): void
}

/**
 * How much a replica claims ahead. Calls are bounded by `concurrency`; where they are quick, the next ones are claimed
 * while these are under way, so that one claim serves many. Their tokens wait no longer than a call takes, which is
 * well within what arrival-guard.ts allows; where calls are slow, nothing is claimed that could not be sent at once.
 */
export function createClaimRoom({ concurrency }: { concurrency: number }): ClaimRoom {
  let averageMs = Number.POSITIVE_INFINITY
  return {
    free: ({ unanswered, unrecorded }) => {
      const ahead = averageMs <= QUICK_CALL_MS ? concurrency : 0
      const unclaimed = concurrency + ahead - unanswered
      return Math.max(0, Math.min(unclaimed, UNRECORDED_PER_CALL * concurrency - unrecorded))
    },
    took: (callMs) => {
      averageMs = Number.isFinite(averageMs) ? averageMs + WEIGHT * (callMs - averageMs) : callMs
    },
  }
}
