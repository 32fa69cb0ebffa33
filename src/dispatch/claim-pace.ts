import type { RunResult } from '../runtime/run-loop.ts'

/** Outcomes that may wait for the database, per call that may be in flight. */
const UNRECORDED_PER_CALL = 8
/**
 * Where a claim has left work behind, the next one waits for room for this part of the calls that may be in flight, or
 * for so many milliseconds: a claim has a cost whatever it brings, and calls that hang must not hold up the others.
 */
const WORTH_CLAIMING = 0.75
const GATHER_ROOM_MS = 15
/** Waits for tokens shorter than this are gathered into one claim, so that replicas do not race for each token. */
const GATHER_MS = 20
/** A replica that comes too late for tokens waits longer each time, so that the same one comes first the next time. */
const PATIENCE_STEP_MS = 10
const MAX_PATIENCE_MS = 150

export interface ClaimPace {
  /** How many requests may be claimed now. */
  room(): number
  /** A claim that asked for so many requests has got these, each with a call to make. */
  claimed(requests: { asked: number; got: number }): void
  /** One of the calls has its outcome. */
  answered(): void
  /** One of the outcomes is recorded, or will never be by this replica. */
  recorded(): void
  /** When to claim again; `tokenInMs` until the next token of work that waits for one, null where none does. */
  next(claim: { got: number; tokenInMs: number | null }): RunResult
}

/**
 * When a replica claims, and how much. A claim that got all it asked for may have left more behind, so the next one is
 * due as soon as there is room for most of the calls that may be in flight, or for some of them after a moment. One that got less has taken all there were
 * tokens for, and the next one waits for theirs.
 */
export function createClaimPace({
  concurrency,
  onRoom,
  onInFlight,
  random = Math.random,
  now = () => performance.now(),
}: {
  /** Calls that may be in flight at once. */
  concurrency: number
  /** There is room for a claim, now or in so many milliseconds. */
  onRoom: (inMs: number) => void
  /** Told whenever the number of calls without an outcome changes. */
  onInFlight: (calls: number) => void
  random?: () => number
  now?: () => number
}): ClaimPace {
  const worthClaiming = Math.ceil(concurrency * WORTH_CLAIMING)
  let unanswered = 0
  let unrecorded = 0
  /** Whether the last claim got all it asked for. */
  let filled = false
  let claimedAt = Number.NEGATIVE_INFINITY
  /** Claims in a row that got nothing. */
  let emptyHanded = 0

  // Nothing is claimed that could not be sent at once: its token would wait.
  const free = () =>
    Math.max(0, Math.min(concurrency - unanswered, UNRECORDED_PER_CALL * concurrency - unrecorded))
  /** Milliseconds until what is free is worth a claim. */
  const worthInMs = () =>
    filled && free() < worthClaiming ? Math.max(0, claimedAt + GATHER_ROOM_MS - now()) : 0
  const tellOfRoom = () => {
    if (filled && free() > 0) onRoom(worthInMs())
  }

  return {
    room: () => (worthInMs() > 0 ? 0 : free()),
    claimed: ({ asked, got }) => {
      filled = got === asked
      claimedAt = now()
      unanswered += got
      onInFlight(unanswered)
    },
    answered: () => {
      unanswered -= 1
      unrecorded += 1
      onInFlight(unanswered)
      tellOfRoom()
    },
    recorded: () => {
      unrecorded -= 1
      tellOfRoom()
    },
    next: ({ got, tokenInMs }) => {
      emptyHanded = got > 0 ? 0 : emptyHanded + 1
      if (filled || tokenInMs === null) return { again: false }
      const patienceMs = Math.min(MAX_PATIENCE_MS, emptyHanded * PATIENCE_STEP_MS) * random()
      return { again: false, waitMs: Math.max(GATHER_MS, tokenInMs) + patienceMs }
    },
  }
}
