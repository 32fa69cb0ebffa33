export interface Batcher<Item, Result> {
  /** Resolves with the item's result once its batch is flushed; rejects with the batch's error. */
  add(item: Item): Promise<Result>
  /** Items waiting or being flushed. */
  size(): number
  /** Resolves when nothing is waiting or being flushed. */
  drained(): Promise<void>
}

export interface BatcherOptions<Item, Result> {
  /** Results in the order of the items. */
  flush: (items: Item[]) => Promise<Result[]>
  maxSize: number
  /** Flushes that may run at once. */
  concurrency: number
  /** Flushes of less than `maxSize` begin at least so many milliseconds apart. Default 0. */
  gatherMs?: number
  /** Only after a flush of so many items: where few come, nothing is gained by waiting for more. Default 1. */
  gatherAfter?: number
}

/**
 * Gathers items for as long as the flushes before them take, and under load for `gatherMs` after the last one began: a
 * single item goes at once, and the batches grow by themselves.
 */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { flush, maxSize, concurrency, gatherMs = 0, gatherAfter = 1 } = options
  type Waiting = { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }
  let waiting: Waiting[] = []
  let flushing = 0
  let active = 0
  let scheduled = false
  let flushedAt = Number.NEGATIVE_INFINITY
  let flushedItems = 0
  let gathering = false
  const drainers: (() => void)[] = []

  const run = async (batch: Waiting[]) => {
    active += 1
    flushing += batch.length
    try {
      const results = await flush(batch.map((entry) => entry.item))
      batch.forEach((entry, index) => {
        entry.resolve(results[index] as Result)
      })
    } catch (error) {
      for (const entry of batch) entry.reject(error)
    } finally {
      active -= 1
      flushing -= batch.length
      pump()
      if (waiting.length + flushing === 0) for (const done of drainers.splice(0)) done()
    }
  }

  const gather = (ms: number) => {
    if (gathering) return
    gathering = true
    setTimeout(() => {
      gathering = false
      pump()
    }, ms)
  }

  const pump = () => {
    while (waiting.length > 0 && active < concurrency) {
      const now = performance.now()
      const gathers = waiting.length < maxSize && flushedItems >= gatherAfter
      if (gathers && now - flushedAt < gatherMs) return gather(flushedAt + gatherMs - now)
      const batch = waiting.slice(0, maxSize)
      flushedAt = now
      flushedItems = batch.length
      waiting = waiting.slice(maxSize)
      void run(batch)
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject })
        if (scheduled) return
        scheduled = true
        setImmediate(() => {
          scheduled = false
          pump()
        })
      }),
    size: () => waiting.length + flushing,
    drained: () =>
      waiting.length + flushing === 0 ? Promise.resolve() : new Promise((resolve) => drainers.push(resolve)),
  }
}
