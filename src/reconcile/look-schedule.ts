/** A look right at the end of the settling time could begin a moment before it, by the rounding of clocks. */
const SLACK_MS = 20
const MAX_GAP_MS = 60_000
/** What only people can resolve is looked at this rarely. */
const MAX_MANUAL_GAP_MS = 600_000

/** Milliseconds from an outcome becoming unknown to the first look for its instances. */
export function firstLookMs(settleMs: number): number {
  return Math.min(settleMs / 4, 1000)
}

/**
 * Milliseconds to the next look for an attempt that has been uncertain for `ageMs`: as long again as it has waited
 * already, within bounds; one look right after the settling time, and ever rarer ones beyond it.
 */
export function nextLookMs(ageMs: number, settleMs: number, { manual = false } = {}): number {
  const first = firstLookMs(settleMs)
  if (ageMs >= settleMs) return clamp(ageMs - settleMs, first, manual ? MAX_MANUAL_GAP_MS : MAX_GAP_MS)
  const gap = clamp(ageMs, first, Math.max(first, settleMs / 4))
  const toSettled = settleMs - ageMs + SLACK_MS
  return gap > toSettled - first ? toSettled : gap
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
