/** A call this long after its token is stale: a stopped process, or a queue, has held it up. */
const HELD_UP_MS = 1000
/** Calls stale as often as this in a row are no accident: lasting slowness must not stop everything. */
const PATIENCE = 3

export interface StaleGuard {
  /** Throws when a call must not be made any more. Calls that were paid for together share their `age`. */
  check(age: () => number): void
}

/**
 * Refuses stale calls: they would arrive together with those of later tokens. Coarser than the
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
