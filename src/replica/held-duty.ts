import type { Duty, Replica } from './replica.ts'

export interface HeldDuty {
  /** Whether this replica has the duty, as of `renewMs` ago at the most; takes it if no other replica has it. */
  has(): Promise<boolean>
  /** The last known answer, without asking. */
  had(): boolean
}

/** A duty that is looked at far more often than its lease needs to be renewed. */
export function createHeldDuty({
  replica,
  duty,
  leaseMs,
  renewMs,
  onTaken = () => undefined,
}: {
  replica: Replica
  duty: Duty
  leaseMs: number
  renewMs: number
  /** This replica has the duty now, and had not before. */
  onTaken?: () => void
}): HeldDuty {
  let held = false
  let askedAt = Number.NEGATIVE_INFINITY
  return {
    has: async () => {
      const now = performance.now()
      if (now - askedAt >= renewMs) {
        const heldNow = await replica.holdDuty(duty, leaseMs)
        if (heldNow && !held) onTaken()
        held = heldNow
        askedAt = now
      }
      return held
    },
    had: () => held,
  }
}
