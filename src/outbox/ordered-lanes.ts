export interface OrderedLanes<Item> {
  add(item: Item): void
  /** Resolves when no item runs or waits. */
  drained(): Promise<void>
}

export type LaneStep = 'go on' | 'give up'

export interface OrderedLanesOptions<Item> {
  keyOf: (item: Item) => string
  /** `give up` drops the item and those that wait behind it. */
  run: (item: Item) => Promise<LaneStep>
  onDropped: (items: readonly Item[]) => void
}

/**
 * Runs the items of one key one after the other, in the order in which they came, and those of different keys at
 * once.
 */
export function createOrderedLanes<Item>({
  keyOf,
  run,
  onDropped,
}: OrderedLanesOptions<Item>): OrderedLanes<Item> {
  const waitingByKey = new Map<string, Item[]>()
  let drainers: (() => void)[] = []

  // Without async and await: this runs for every event, and each would cost it two more promises.
  const drive = (key: string, item: Item, waiting: Item[]) => {
    run(item).then(
      (step) => proceed(key, item, waiting, step),
      () => proceed(key, item, waiting, 'give up'),
    )
  }

  const proceed = (key: string, item: Item, waiting: Item[], step: LaneStep) => {
    if (step === 'give up') onDropped([item, ...waiting.splice(0)])
    const next = waiting.shift()
    if (next !== undefined) return drive(key, next, waiting)
    waitingByKey.delete(key)
    if (waitingByKey.size === 0) {
      for (const done of drainers) done()
      drainers = []
    }
  }

  return {
    add: (item) => {
      const key = keyOf(item)
      const waiting = waitingByKey.get(key)
      if (waiting !== undefined) {
        waiting.push(item)
        return
      }
      const lane: Item[] = []
      waitingByKey.set(key, lane)
      drive(key, item, lane)
    },
    drained: () =>
      waitingByKey.size === 0 ? Promise.resolve() : new Promise((resolve) => drainers.push(resolve)),
  }
}
