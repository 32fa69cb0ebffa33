export interface ReadSlots {
  /** Runs `read` when a slot is free. Throws a TooManyReadsError when too many wait for one already. */
  run<Result>(read: () => Promise<Result>): Promise<Result>
}

/** Thrown when more reads wait than will be served in good time. */
export class TooManyReadsError extends Error {
  override readonly name = 'TooManyReadsError'
}

/** At most `slots` reads at once, in the order of asking, so that the API cannot take every connection of the pool. */
export function createReadSlots({ slots, maxWaiting }: { slots: number; maxWaiting: number }): ReadSlots {
  let free = slots
  const waiting: (() => void)[] = []

  const take = (): Promise<void> | undefined => {
    if (free > 0) {
      free -= 1
      return undefined
    }
    if (waiting.length >= maxWaiting) throw new TooManyReadsError('too many reads at once')
    return new Promise((resolve) => waiting.push(resolve))
  }

  /** Hands the slot on to the next in line. */
  const release = () => {
    const next = waiting.shift()
    if (next) next()
    else free += 1
  }

  return {
    run: async (read) => {
      await take()
      try {
        return await read()
      } finally {
        release()
      }
    },
  }
}
