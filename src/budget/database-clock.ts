/**
 * Clocks drift against each other by some 0.1 ms per second at most, so what was seen longer ago says less and less.
 */
const MEMORY_MS = 10_000

export interface DatabaseClock {
  /** An answer that tells the time at which the database worked on a question; all in milliseconds. */
  observe(seen: { sentAt: number; receivedAt: number; databaseMs: number }): void
  /** The instants of the own clock between which the database's clock stood at `databaseMs`. */
  locate(databaseMs: number): { earliest: number; latest: number }
}

interface Bounds {
  /** Own time minus database time: the least and the most. */
  least: number
  most: number
}

const UNKNOWN: Bounds = { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY }

/**
 * Knows times of the database on the own monotonic clock, within what the quickest answers of the last seconds leave
 * open. A clock that was set makes the old answers contradict the new one; then only this one counts.
 */
export function createDatabaseClock(): DatabaseClock {
  let present = UNKNOWN
  let before = UNKNOWN
  let since = Number.NEGATIVE_INFINITY
  const bounds = () => both(present, before)
  return {
    observe: ({ sentAt, receivedAt, databaseMs }) => {
      if (receivedAt - since >= MEMORY_MS) {
        before = receivedAt - since < 2 * MEMORY_MS ? present : UNKNOWN
        present = UNKNOWN
        since = receivedAt
      }
      const seen = { least: sentAt - databaseMs, most: receivedAt - databaseMs }
      present = both(present, seen)
      const { least, most } = bounds()
      if (least <= most) return
      present = seen
      before = UNKNOWN
    },
    locate: (databaseMs) => {
      const { least, most } = bounds()
      return { earliest: databaseMs + least, latest: databaseMs + most }
    },
  }
}

function both(a: Bounds, b: Bounds): Bounds {
  return { least: Math.max(a.least, b.least), most: Math.min(a.most, b.most) }
}
