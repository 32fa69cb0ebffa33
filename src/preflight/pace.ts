/** The shortest time from the begin of one reading of a project to that of the next. */
const MIN_GAP_MS = 200
/** The shortest time after which a reading is renewed while orders flow. */
const MIN_RENEW_MS = 2000
/** A reading that is renewed takes this part of the call budget at most; one that orders wait for takes this one. */
const RENEWING_PART = 0.04
const AWAITED_PART = 0.4
/** A project whose account may not read servers is asked again this rarely. */
const FORBIDDEN_MS = 600_000
/** A reading that failed is tried again after this, doubling: orders go without one meanwhile. */
const FAILED = { minMs: 5000, maxMs: 60_000 }

/** Milliseconds since the begin of a reading. */
export interface ReadingTimes {
  /** No other one begins before. */
  gapMs: number
  /** Orders that flow have it renewed. */
  renewMs: number
  /** Orders go by it, and by what was ordered since; none ends by it that came later than its begin. */
  lifeMs: number
}

/** The times of a project's readings; `perSecond` are the calls of its budget. */
export function readingTimes(perSecond: number): ReadingTimes {
  const renewMs = Math.max(MIN_RENEW_MS, 1000 / (perSecond * RENEWING_PART))
  return { gapMs: Math.max(MIN_GAP_MS, 1000 / (perSecond * AWAITED_PART)), renewMs, lifeMs: 2 * renewMs }
}

/** How long orders go without preflight, in milliseconds; `rests` counts them, in a row. */
export function restMs(why: 'forbidden' | 'failed', rests: number, perSecond: number): number {
  const least = readingTimes(perSecond).renewMs
  if (why === 'forbidden') return Math.max(FORBIDDEN_MS, least)
  return Math.max(least, Math.min(FAILED.maxMs, FAILED.minMs * 2 ** Math.min(10, rests - 1)))
}
