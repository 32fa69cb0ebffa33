/** A smaller difference may be the way of the answer, and is far from what the gateway refuses: 15 minutes. */
const NOTED_FROM_MS = 60_000

export interface UpstreamClock {
  /** Takes in the header Date of an answer that has just come: a good one, or one that refuses our time. */
  answered(date: string | undefined): void
  /** The time by the upstream's clock, as far as it is known. */
  now(): Date
  /** Milliseconds that the upstream's clock is ahead of ours, 0 while that is below a minute. */
  aheadMs(): number
}

/** Knows how far the upstream's clock is from ours: a signature is refused whose time is off. */
export function createUpstreamClock(now: () => number = Date.now): UpstreamClock {
  let ahead = 0
  return {
    answered: (date) => {
      const time = date === undefined ? Number.NaN : Date.parse(date)
      if (Number.isNaN(time)) return
      const found = time - now()
      ahead = Math.abs(found) < NOTED_FROM_MS ? 0 : found
    },
    now: () => new Date(now() + ahead),
    aheadMs: () => ahead,
  }
}
