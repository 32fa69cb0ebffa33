import { setTimeout as sleep } from 'node:timers/promises'

export interface KeptReadingOptions<Value> {
  read: () => Promise<Value>
  /** A value serves for so long at least, in milliseconds. */
  freshMs: number
  /**
   * 0..1 of the time that may be spent reading, on average: the longer a reading takes, the longer its value serves. The
   * first one is not counted, which also takes what is done once.
   */
  share: number
  /** Who has asked waits for a newer value so long, and then takes the one before, in milliseconds. Default: as long as it takes. */
  patienceMs?: number
  /**
   * A value is read again after so long, however long reading takes, and one that is twice as old is for nobody, in
   * milliseconds. Default: no bound.
   */
  mostMs?: number
}

/**
 * Reads for several who ask again and again: once for all who wait, and not again for a while, so that what readings cost is
 * bounded however many ask. An error is for those who wait; the next to ask begins another reading.
 */
export function createKeptReading<Value>(options: KeptReadingOptions<Value>): () => Promise<Value> {
  const { read, freshMs, share, patienceMs, mostMs = Number.POSITIVE_INFINITY } = options
  let kept: { value: Value; readAt: number; until: number } | undefined
  let reading: Promise<Value> | undefined

  const begin = async (): Promise<Value> => {
    const begunAt = performance.now()
    try {
      const value = await read()
      const tookMs = kept === undefined ? 0 : performance.now() - begunAt
      kept = { value, readAt: begunAt, until: begunAt + Math.min(mostMs, Math.max(freshMs, tookMs / share)) }
      return value
    } finally {
      reading = undefined
    }
  }

  return async () => {
    const now = performance.now()
    if (kept !== undefined && now < kept.until) return kept.value
    reading ??= begin()
    if (kept === undefined || patienceMs === undefined || now - kept.readAt > 2 * mostMs) return reading
    const older = kept.value
    const done = new AbortController()
    const patience = sleep(patienceMs, older, { signal: done.signal }).catch(() => older)
    try {
      return await Promise.race([reading, patience])
    } finally {
      done.abort()
      // Whoever still waits is told of an error; others are not.
      reading?.catch(() => undefined)
    }
  }
}
