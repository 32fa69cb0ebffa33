import type { Duty, Replica } from './replica.ts'

/** Short, so that a duty is soon taken over; two replicas that have the same one for a moment do no harm. */
const LEASE_MS = 6000
const RENEW_MS = 3000
/** How often a replica without the duty asks for it. */
export const ASK_MS = 1500

export interface HeldDuty {
  /** Takes the duty if no other replica has it; whether this one has it now, as of its last asking. */
  take(): Promise<boolean>
  /** The last known answer, without asking. */
  isHeld(): boolean
}

/** A duty that is looked at more often than its lease needs to be renewed. */
export function createHeldDuty({
  replica,
  duty,
  onTaken = () => undefined,
}: {
  replica: Replica
  duty: Duty
  /** This replica has the duty now, and had not before. */
  onTaken?: () => void
}): HeldDuty {
  let held = false
  let askedAt = Number.NEGATIVE_INFINITY
  return {
    take: async () => {
      const now = performance.now()
      if (now - askedAt >= (held ? RENEW_MS : ASK_MS)) {
        const heldNow = await replica.holdDuty(duty, LEASE_MS)
        if (heldNow && !held) onTaken()
        held = heldNow
        askedAt = now
      }
      return held
    },
    isHeld: () => held,
  }
}
