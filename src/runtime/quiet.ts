/** How long bulk work pauses at most, and how far apart the beginnings of two pauses are at least: 8 % of its time. */
const MOST_MS = 50
const EVERY_MS = 600

export interface Quiet {
  /** Asks bulk work to pause for something that is to happen on time; the function returned ends that. */
  ask(): () => void
  /** Whether bulk work shall pause. */
  isAsked(): boolean
}

/**
 * Lets the few things that have to happen on time ask the many that need not, for some milliseconds, to leave the event
 * loop alone. Whoever asks too soon after another goes without.
 */
export function createQuiet(now: () => number = () => performance.now()): Quiet {
  let askedAt = Number.NEGATIVE_INFINITY
  let until = Number.NEGATIVE_INFINITY
  return {
    ask: () => {
      const at = now()
      if (at - askedAt < EVERY_MS) return () => undefined
      askedAt = at
      until = at + MOST_MS
      return () => {
        if (askedAt === at) until = Number.NEGATIVE_INFINITY
      }
    },
    isAsked: () => now() < until,
  }
}
