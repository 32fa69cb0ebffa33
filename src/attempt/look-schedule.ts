/** A look right at the end of the settling time could begin a moment before it, by the rounding of clocks. */
const SLACK_MS = 20
/** What only a person can resolve is looked at this rarely. */
const MAX_MANUAL_GAP_MS = 600_000

/** Milliseconds from an outcome becoming unknown to the first look for its instances. */
export function firstLookMs(settleMs: number): number {
  return Math.min(settleMs / 4, 1000)
}

/**
 * Milliseconds from a complete listing to the next look for an attempt that has been uncertain for `ageMs`: as long
 * again as it has waited already, within bounds; one look right after the settling time. After it, only a listing
 * that agrees is missing, and it comes soon, however long an outage has delayed the first one. Where a person must
 * decide (`manual`) looks come ever more rarely.
 */
export function lookGapMs(ageMs: number, settleMs: number, { manual = false } = {}): number {
  const first = firstLookMs(settleMs)
  if (ageMs >= settleMs) return manual ? clamp(ageMs - settleMs, first, MAX_MANUAL_GAP_MS) : first
  const gap = clamp(ageMs, first, Math.max(first, settleMs / 4))
  const toSettled = settleMs - ageMs + SLACK_MS
  return gap > toSettled - first ? toSettled : gap
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
