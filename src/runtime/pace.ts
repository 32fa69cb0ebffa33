import { setTimeout as sleep } from 'node:timers/promises'

/** Lets one pass every so often, in the order of the calls. Rejects once the signal aborts. */
export function createPace(perSecond: number, signal?: AbortSignal): () => Promise<void> {
  const gapMs = 1000 / perSecond
  let nextAt = Number.NEGATIVE_INFINITY
  return async () => {
    signal?.throwIfAborted()
    const now = performance.now()
    const at = Math.max(now, nextAt)
    nextAt = at + gapMs
    if (at > now) await sleep(at - now, undefined, signal && { signal })
  }
}
