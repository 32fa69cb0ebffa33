import { setTimeout as sleep } from 'node:timers/promises'

/** Who is held up so long makes up for it, in milliseconds; what is lost beyond stays lost. */
const MADE_UP_MS = 250

/**
 * Lets one pass every so often, in the order of the calls; after a delay closer together, so that the rate holds on average.
 * Rejects once the signal aborts.
 */
export function createPace(perSecond: number, signal?: AbortSignal): () => Promise<void> {
  const timeOf = createTimes(perSecond, performance.now())
  return async () => {
    signal?.throwIfAborted()
    const now = performance.now()
    const at = timeOf(now)
    if (at > now) await sleep(at - now, undefined, signal && { signal })
  }
}

/** The times at which those may pass who ask at these times, in milliseconds: the future, or what has passed for at once. */
export function createTimes(perSecond: number, startedAt: number): (now: number) => number {
  const gapMs = 1000 / perSecond
  let nextAt = startedAt
  return (now) => {
    const at = Math.max(now - MADE_UP_MS, nextAt)
    nextAt = at + gapMs
    return at
  }
}
