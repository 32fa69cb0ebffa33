export interface OrderedLanes<Item> {
  add(item: Item): void
  /** Resolves when no item runs or waits. */
  drained(): Promise<void>
}

export interface OrderedLanesOptions<Item> {
  keyOf: (item: Item) => string
  /** `give up` drops the item and those that wait behind it. */
  run: (item: Item) => Promise<'go on' | 'give up'>
  onDropped: (items: readonly Item[]) => void
}

/** Runs the items of one key one after the other, in the order in which they came, and those of different keys at once. */
export function createOrderedLanes<Item>({
  keyOf,
  run,
  onDropped,
}: OrderedLanesOptions<Item>): OrderedLanes<Item> {
  const waitingByKey = new Map<string, Item[]>()
  let drainers: (() => void)[] = []

  const drive = async (key: string, first: Item, waiting: Item[]) => {
    for (let item: Item | undefined = first; item !== undefined; item = waiting.shift()) {
      const verdict = await run(item).catch(() => 'give up' as const)
      if (verdict === 'give up') {
        onDropped([item, ...waiting])
        break
      }
    }
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
      void drive(key, item, lane)
    },
    drained: () =>
      waitingByKey.size === 0 ? Promise.resolve() : new Promise((resolve) => drainers.push(resolve)),
  }
}
