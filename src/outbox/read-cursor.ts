/** How far back a read starts again, to find rows of transactions that were open when it passed. */
const LOOK_BACK_MS = 250
/** From time to time a read starts from the very beginning, for transactions that took longer. */
const RESTART_MS = 2000

const BEGINNING = '0'

export interface ReadCursor {
  /** The position after which to read now. */
  start(): string
  /** Tells how far the read has come. */
  readTo(row: { position: string } | undefined): void
  /** The next read starts from the beginning. */
  restart(): void
}

/**
 * Where the relay reads on. Positions are given when a row is written and seen when it is committed, so a lower one
 * may appear after a higher one was read. Every read therefore starts where the cursor stood a moment ago, and one
 * every two seconds at the beginning; rows that are in hand already are left out one by one, by position. A row is
 * never taken for read because it is lower than another.
 */
export function createReadCursor(now: () => number = () => performance.now()): ReadCursor {
  let floor = BEGINNING
  let marks: { at: number; position: string }[] = []
  let restartedAt = Number.NEGATIVE_INFINITY

  return {
    start: () => {
      const at = now()
      if (at - restartedAt >= RESTART_MS) {
        restartedAt = at
        floor = BEGINNING
        marks = []
      }
      for (let mark = marks[0]; mark !== undefined && at - mark.at >= LOOK_BACK_MS; mark = marks[0]) {
        floor = mark.position
        marks.shift()
      }
      return floor
    },
    readTo: (row) => {
      if (row !== undefined) marks.push({ at: now(), position: row.position })
    },
    restart: () => {
      restartedAt = Number.NEGATIVE_INFINITY
    },
  }
}
