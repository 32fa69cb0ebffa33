/** What is carried out so long after it was paid for was held up: by a stopped process, or in a queue. */
const HELD_UP_MS = 1000
/** Held up as often as this in a row, it is no accident: a way that is slow for good must not stop everything. */
const PATIENCE = 3

export interface StaleGuard {
  /** Throws when a call must not be made any more. Calls that were paid for together share their `age`. */
  check(age: () => number): void
}

/**
 * Refuses calls whose token is of long ago: they would arrive together with those of later tokens. Coarser than the
 * guard of creating (budget/arrival-guard.ts), because reading calls are few, and one that was refused comes again
 * only after a while.
 */
export function createStaleGuard(): StaleGuard {
  let refusals = 0
  let lastRefused: (() => number) | undefined
  return {
    check: (age) => {
      const ageMs = age()
      if (ageMs <= HELD_UP_MS) {
        refusals = 0
        return
      }
      if (age !== lastRefused) refusals += 1
      lastRefused = age
      if (refusals <= PATIENCE) throw new Error(`held up for ${Math.round(ageMs)} ms, the token is stale`)
    },
  }
}
