/** The longest pause of bulk work, and the least time between the beginnings of two pauses: 8 % of its time. */
const MOST_MS = 50
const EVERY_MS = 600

export interface Quiet {
  /** Asks bulk work to pause for something that must happen on time; the returned function ends the pause. */
  ask(): () => void
  /** Whether bulk work shall pause. */
  isAsked(): boolean
}

/**
 * Lets the few things that must happen on time keep the event loop free of bulk work for some milliseconds. A request
 * that comes too soon after another is ignored.
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
