import type { WrittenMarker } from './marker.ts'

/** What earlier looks for an attempt have found. */
export interface LookMemory {
  /** Complete listings without it; for an attempt without a marker, those since the settling time. */
  listingsWithout: number
  /**
   * Every instance of it that any complete listing has held; for an attempt without a marker, those left in question
   * by the last one since the settling time.
   */
  found: readonly string[]
  /** Complete listings in a row that left `found` as it was, the one that completed it included. */
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
  /** Ids that its answer named although it broke its promise, except those known to belong to others. */
  named: readonly string[]
}

export interface VerdictRules {
  place: WrittenMarker['place']
  /** The fewest instances the call creates, if any, and the most. */
  least: number
  expected: number
  settleMs: number
}

export type Verdict =
  /** The call has created these. `excess`: how many more than its answer could have named. */
  | { kind: 'adopt'; instanceIds: readonly string[]; excess: number }
  /** The call has created nothing. */
  | { kind: 'void' }
  | { kind: 'look_again' }
  /** Only a person can tell. */
  | { kind: 'manual' }

/** Complete listings that must say the same before an absence, or a smaller number than expected, is believed. */
const LISTINGS_NEEDED = 2

/**
 * What a complete listing means for an attempt of unknown outcome: pure.
 *
 * - The full number was found: adopt, at once.
 * - Fewer were found: others may become visible, even where CloudDC would create that few. Adopt when the settling time
 *   was over before the listing began, and two complete listings agree.
 * - What a 202 has named fills up then what listings lack: it was promised, and CloudDC is asked about it from then on.
 * - Nothing was ever found or named: void when the settling time was over before the listing began, and two complete
 *   listings agree.
 */
export function judge(
  memory: LookMemory,
  look: Look,
  rules: VerdictRules,
): { verdict: Verdict; memory: LookMemory } {
  if (rules.place === 'none') return judgeUnmarked(memory, look, rules)
  const { expected, settleMs } = rules
  const found = [...new Set([...memory.found, ...look.own])]
  const agreed = found.length > memory.found.length ? 1 : memory.agreed + 1
  const listingsWithout = memory.listingsWithout + (found.length === 0 ? 1 : 0)
  const next = { found, agreed, listingsWithout }
  const settled = look.beganMs >= settleMs && agreed >= LISTINGS_NEEDED
  if (found.length < expected && !settled) return { verdict: { kind: 'look_again' }, memory: next }
  return { verdict: conclusion(fillUp(found, look.named, expected), expected), memory: next }
}

/**
 * The same without a marker, where listings prove little. All that counts are two complete listings in a row, both
 * begun after the settling time.
 *
 * - Nothing is alike, and nothing was named: void.
 * - All that is alike was named by the answer: adopt what it named.
 * - Instances were named, and with all that is alike there are no more than the call creates at the least: adopt all,
 *   since CloudDC creates that many or none.
 * - Else a person decides.
 */
function judgeUnmarked(
  memory: LookMemory,
  { beganMs, lookalikes, named }: Look,
  { least, expected, settleMs }: VerdictRules,
): { verdict: Verdict; memory: LookMemory } {
  if (beganMs < settleMs) {
    return { verdict: { kind: 'look_again' }, memory: { found: [], agreed: 0, listingsWithout: 0 } }
  }
  const alike = named.filter((id) => lookalikes.includes(id))
  const promised = fillUp(alike, named, expected)
  const found = [...new Set([...promised, ...lookalikes])].toSorted()
  const same = found.length === memory.found.length && found.every((id, at) => id === memory.found[at])
  const agreed = same ? memory.agreed + 1 : 1
  const next = { found, agreed, listingsWithout: found.length === 0 ? agreed : 0 }
  const sure = found.length === promised.length || (promised.length > 0 && found.length <= least)
  if (!sure) return { verdict: { kind: 'manual' }, memory: next }
  if (agreed < LISTINGS_NEEDED) return { verdict: { kind: 'look_again' }, memory: next }
  return { verdict: conclusion(found, expected), memory: next }
}

function conclusion(instanceIds: readonly string[], expected: number): Verdict {
  if (instanceIds.length === 0) return { kind: 'void' }
  return { kind: 'adopt', instanceIds, excess: Math.max(0, instanceIds.length - expected) }
}

/** What was found, filled up with what was named, to `most` in all. */
function fillUp(found: readonly string[], named: readonly string[], most: number): string[] {
  const missing = named.filter((id) => !found.includes(id))
  return [...found, ...missing.slice(0, Math.max(0, most - found.length))]
}
