/** How long a position must have been passed before a read may start after it. */
const LOOK_BACK_MS = 250
/** From time to time a read starts from the very beginning all the same. */
const RESTART_MS = 2000

const BEGINNING = 0

/** How far a read has come, and what it could see. */
export interface ReadMark {
  /** The last position read. */
  position: number
  /** Transactions that were under way when the read looked are below this id; a 64-bit integer in decimal. */
  barrier: string
  /** Transactions below this id had ended when the read looked. */
  xmin: string
}

export interface ReadCursor {
  /** The position after which to read now. */
  start(): number
  /** Tells how far the read has come, and whether its limit cut it short there. */
  readTo(mark: ReadMark | undefined, cutShort: boolean): void
}

/**
 * Where the relay reads on. Positions are given when a row is written and seen when it is committed, so a lower one
 * may appear after a higher one was read, and to read past it would let later events of its request overtake it.
 * A read therefore starts after a position only when every transaction that was under way when that position was read
 * has ended, and a later read that could see them all has read up to it: a read that its limit cut short says
 * nothing of what lies beyond. Rows that are in hand already are left out one by one, by
 * position; a row is never taken for read because it is lower than another.
 */
export function createReadCursor(now: () => number = () => performance.now()): ReadCursor {
  let floor = BEGINNING
  let marks: { at: number; position: number; barrier: bigint; safe: boolean }[] = []
  let restartedAt = Number.NEGATIVE_INFINITY

  return {
    start: () => {
      const at = now()
      if (at - restartedAt >= RESTART_MS) {
        restartedAt = at
        floor = BEGINNING
        marks = []
      }
      const isPassed = (mark: { at: number; safe: boolean }) => mark.safe && at - mark.at >= LOOK_BACK_MS
      for (let mark = marks[0]; mark !== undefined && isPassed(mark); mark = marks[0]) {
        floor = mark.position
        marks.shift()
      }
      return floor
    },
    readTo: (mark, cutShort) => {
      if (mark === undefined) return
      const ended = BigInt(mark.xmin)
      marks.push({ at: now(), position: mark.position, barrier: BigInt(mark.barrier), safe: false })
      for (const known of marks) {
        const isRead = !cutShort || known.position <= mark.position
        if (isRead && known.barrier <= ended) known.safe = true
      }
    },
  }
}
