export interface Slots {
  /** Runs `work` when a slot is free, in the order of asking. Throws a NoSlotError when `maxWaiting` wait already. */
  run<Result>(work: () => Promise<Result>): Promise<Result>
}

/** Thrown when more work waits for a slot than can be served in good time. */
export class NoSlotError extends Error {
  override readonly name = 'NoSlotError'
}

/** At most `slots` pieces of work at once, the others waiting in line. */
export function createSlots({ slots, maxWaiting }: { slots: number; maxWaiting: number }): Slots {
  let free = slots
  const waiting: (() => void)[] = []

  const take = (): Promise<void> | undefined => {
    if (free > 0) {
      free -= 1
      return undefined
    }
    if (waiting.length >= maxWaiting) throw new NoSlotError('too many wait for a slot')
    return new Promise((resolve) => waiting.push(resolve))
  }

  /** Hands the slot on to the next in line. */
  const release = () => {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  }

  return {
    run: async (work) => {
      await take()
      try {
        return await work()
      } finally {
        release()
      }
    },
  }
}
