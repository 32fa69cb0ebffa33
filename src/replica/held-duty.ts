import type { Duty, Replica } from './replica.ts'

/** How often a replica without a duty asks for it, unless its times say otherwise. */
export const ASK_MS = 1500
/** Short, so that a duty is soon taken over; two replicas that have the same one for a moment do no harm. */
const TIMES: DutyTimes = { leaseMs: 6000, renewMs: 3000, askMs: ASK_MS }

export interface DutyTimes {
  /** How long the duty stays with a replica that is silent. */
  leaseMs: number
  /** How often its lease is renewed, and how often a replica without the duty asks for it. */
  renewMs: number
  askMs: number
}

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
  times: { leaseMs, renewMs, askMs } = TIMES,
  onTaken = () => undefined,
}: {
  replica: Replica
  duty: Duty
  times?: DutyTimes
  /** This replica has the duty now, and had not before. */
  onTaken?: () => void
}): HeldDuty {
  let held = false
  let askedAt = Number.NEGATIVE_INFINITY
  return {
    take: async () => {
      const now = performance.now()
      if (now - askedAt >= (held ? renewMs : askMs)) {
        const heldNow = await replica.holdDuty(duty, leaseMs)
        if (heldNow && !held) onTaken()
        held = heldNow
        askedAt = now
      }
      return held
    },
    isHeld: () => held,
  }
}
