import { createFifo } from './fifo.ts'
import type { Quiet } from './quiet.ts'

export interface Turns {
  /** Whether the work has had its share of this turn of the event loop. */
  over(): boolean
  /** Resolves in the next turn. */
  next(): Promise<void>
  /** Runs `work` at once, or in a later turn when the share of this one is used up; in the order of the calls. */
  run(work: () => void): void
}

/**
 * Bounds the part of each turn of the event loop that one kind of work takes, so that timers, leases and replies wait
 * for a few milliseconds at most, however much of that work there is at once.
 */
export function createTurns({
  shareMs,
  quiet,
  now = () => performance.now(),
  schedule = setImmediate,
}: {
  shareMs: number
  /** While quiet is asked for, there are no shares. */
  quiet?: Pick<Quiet, 'isAsked'> | undefined
  now?: () => number
  /** Calls back in the next turn. */
  schedule?: (callback: () => void) => void
}): Turns {
  const waiting = createFifo<() => void>()
  let endsAt: number | undefined

  const over = (): boolean => {
    if (endsAt === undefined) {
      endsAt = now() + shareMs
      schedule(() => {
        endsAt = undefined
        work()
      })
    }
    return now() >= endsAt || (quiet?.isAsked() ?? false)
  }

  const work = () => {
    while (waiting.size() > 0 && !over()) waiting.shift()?.()
  }

  return {
    over,
    next: () => new Promise((resolve) => schedule(resolve)),
    run: (one) => {
      waiting.push(one)
      // With others before it, their turn triggers it.
      if (waiting.size() === 1) work()
    },
  }
}
