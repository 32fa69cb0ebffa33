export interface OrderedLanes<Item> {
  add(item: Item): void
  /** Runs again what was postponed. */
  resume(): void
  /** Takes nothing more, and forgets what is postponed from now on, with those behind it. Resolves when all have run. */
  finish(): Promise<void>
}

export type LaneStep = 'done' | 'postponed'

export interface OrderedLanesOptions<Item> {
  keyOf: (item: Item) => string
  /** Calls `done` once. `postponed` keeps the item, and those behind it, until `resume`. */
  run: (item: Item, done: (step: LaneStep) => void) => void
}

interface Lane<Item> {
  key: string
  /** The item that runs or is postponed. */
  item: Item
  /** Those behind it, in the order in which they came. */
  waiting: Item[] | undefined
}

/**
 * Runs the items of one key one after the other, in the order in which they came, and those of different keys at
 * once. Nothing overtakes: an item is run again before any behind it. With callbacks, since promises for each event
 * are a good part of what an event costs.
 */
export function createOrderedLanes<Item>({ keyOf, run }: OrderedLanesOptions<Item>): OrderedLanes<Item> {
  const lanes = new Map<string, Lane<Item>>()
  let postponed: Lane<Item>[] = []
  let finished: PromiseWithResolvers<void> | undefined

  const drive = (lane: Lane<Item>) => run(lane.item, (step) => proceed(lane, step))

  const proceed = (lane: Lane<Item>, step: LaneStep) => {
    const next = step === 'done' ? lane.waiting?.shift() : undefined
    if (next !== undefined) {
      lane.item = next
      drive(lane)
    } else if (step === 'done' || finished !== undefined) end(lane)
    else postponed.push(lane)
  }

  const end = (lane: Lane<Item>) => {
    lanes.delete(lane.key)
    if (lanes.size === 0) finished?.resolve()
  }

  return {
    add: (item) => {
      if (finished !== undefined) return
      const key = keyOf(item)
      const lane = lanes.get(key)
      if (lane === undefined) {
        const opened = { key, item, waiting: undefined }
        lanes.set(key, opened)
        drive(opened)
      } else if (lane.waiting === undefined) lane.waiting = [item]
      else lane.waiting.push(item)
    },
    resume: () => {
      const resumed = postponed
      postponed = []
      for (const lane of resumed) drive(lane)
    },
    finish: () => {
      finished ??= Promise.withResolvers()
      for (const lane of postponed.splice(0)) end(lane)
      if (lanes.size === 0) finished.resolve()
      return finished.promise
    },
  }
}
