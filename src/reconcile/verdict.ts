import type { MarkerPlace } from '../dispatch/create-body.ts'

/** What earlier looks for an attempt have found. */
export interface LookMemory {
  /** Complete listings without it; for an attempt without a marker, those since the settling time. */
  listingsWithout: number
  /** Every instance of it that any complete listing has held. */
  found: readonly string[]
  /** Complete listings in a row that added nothing to `found`, the one that completed it included. */
  agreed: number
}

/** One complete listing, as far as it concerns the attempt. */
export interface Look {
  /** How long the outcome had been unknown when the listing began, in milliseconds. */
  beganMs: number
  /** Ids of the instances that carry the attempt's marker. */
  own: readonly string[]
  /** Ids of the instances that may be the attempt's, where it has no marker. */
  lookalikes: readonly string[]
}

export interface VerdictRules {
  place: MarkerPlace
  /** Instances that the 202 would have named, at the most. */
  expected: number
  settleMs: number
}

export type Verdict =
  /** The call has created these. `excess`: how many more than its answer could have named. */
  | { kind: 'adopt'; instanceIds: readonly string[]; excess: number }
  /** The call has created nothing. */
  | { kind: 'void' }
  | { kind: 'look_again' }
  /** Nothing but a person can tell. */
  | { kind: 'manual' }

/** Complete listings that must say the same before an absence, or a smaller number than expected, is believed. */
const LISTINGS_NEEDED = 2

/**
 * What a complete listing means for an attempt of unknown outcome: pure.
 *
 * - The full number was found: adopt, at once.
 * - Fewer were found: others may become visible. Adopt when the settling time was over before the listing began, and
 *   two complete listings agree.
 * - Nothing was ever found: void when the settling time was over before the listing began, and two complete listings
 *   agree.
 * - No marker: nothing can be adopted. Void when two complete listings, both begun after the settling time, hold no
 *   instance that might be the attempt's.
 */
export function judge(
  memory: LookMemory,
  look: Look,
  { place, expected, settleMs }: VerdictRules,
): { verdict: Verdict; memory: LookMemory } {
  const settled = look.beganMs >= settleMs

  if (place === 'none') {
    const absent = settled && look.lookalikes.length === 0
    const listingsWithout = absent ? memory.listingsWithout + 1 : 0
    const next = { ...memory, listingsWithout }
    if (listingsWithout >= LISTINGS_NEEDED) return { verdict: { kind: 'void' }, memory: next }
    return { verdict: { kind: settled && !absent ? 'manual' : 'look_again' }, memory: next }
  }

  const found = [...new Set([...memory.found, ...look.own])]
  if (found.length === 0) {
    const listingsWithout = memory.listingsWithout + 1
    const isVoid = settled && listingsWithout >= LISTINGS_NEEDED
    return {
      verdict: { kind: isVoid ? 'void' : 'look_again' },
      memory: { ...memory, listingsWithout },
    }
  }

  const agreed = found.length > memory.found.length ? 1 : memory.agreed + 1
  const complete = found.length >= expected || (settled && agreed >= LISTINGS_NEEDED)
  return {
    verdict: complete
      ? { kind: 'adopt', instanceIds: found, excess: Math.max(0, found.length - expected) }
      : { kind: 'look_again' },
    memory: { ...memory, found, agreed },
  }
}
