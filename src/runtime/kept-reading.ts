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
   * A reading that takes longer than this may never end, in milliseconds: who asks then waits for it, and so learns of its
   * error, as after one that failed. Default: none does.
   */
  stuckMs?: number
  /**
   * A value is read again after so long, however long reading takes, and one that is twice as old is for nobody, in
   * milliseconds. Default: no bound.
   */
  mostMs?: number
}

export interface KeptReading<Value> {
  get(): Promise<Value>
  /** Something has changed: who asks from now on has it read again. */
  outdate(): void
}

/**
 * Reads for several who ask again and again: once for all who wait, and not again for a while, so that what readings cost is
 * bounded however many ask. An error is for those who wait; the next to ask begins another reading.
 */
export function createKeptReading<Value>(options: KeptReadingOptions<Value>): KeptReading<Value> {
  const { read, freshMs, share, patienceMs } = options
  const { stuckMs = Number.POSITIVE_INFINITY, mostMs = Number.POSITIVE_INFINITY } = options
  let kept: { value: Value; readAt: number; until: number } | undefined
  let reading: Promise<Value> | undefined
  let begunAt = 0
  let hasFailed = false
  let changes = 0

  const begin = async (): Promise<Value> => {
    begunAt = performance.now()
    const known = changes
    try {
      const value = await read()
      const tookMs = kept === undefined ? 0 : performance.now() - begunAt
      const servesMs = known === changes ? Math.min(mostMs, Math.max(freshMs, tookMs / share)) : 0
      kept = { value, readAt: begunAt, until: begunAt + servesMs }
      hasFailed = false
      return value
    } catch (error) {
      hasFailed = true
      throw error
    } finally {
      reading = undefined
    }
  }

  const get = async () => {
    const now = performance.now()
    if (kept !== undefined && now < kept.until) return kept.value
    reading ??= begin()
    if (kept === undefined || patienceMs === undefined || now - kept.readAt > 2 * mostMs) return reading
    if (hasFailed || now - begunAt > stuckMs) return reading
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

  return {
    get,
    outdate: () => {
      changes += 1
      if (kept !== undefined) kept.until = 0
    },
  }
}
