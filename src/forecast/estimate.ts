/** As read with a request: times in milliseconds since 1970. */
export interface ForecastFacts {
  /** Null where the project has no forecast. */
  computedMs: number | null
  /** What the queue is sorted by, of the request, in hex; null while it is in none. */
  key: string | null
  /** The points of the forecast that it stands between; null beyond the first and the last. */
  keyBelow: string | null
  keyAbove: string | null
  placeBelow: number | null
  placeAbove: number | null
  /** From `computedMs`. */
  turnMsBelow: number | null
  turnMsAbove: number | null
  /** The project is closed: nobody knows when it goes on. */
  closed: boolean | null
  /** Boot times of the image at BOOT_QUANTILES; null while none is known. */
  bootsMs: number[] | null
}

export interface Estimate {
  /** Its place in the project's queue, from 1; null while it is in none. */
  position: number | null
  /** When its order is expected to go out, in milliseconds since 1970; null where nobody knows. */
  turnMs: number | null
  /** When its servers are expected to run; its turn while no boot time is known. */
  readyMs: number | null
}

/** The quantiles of boot times that are kept ready for reading. */
export const BOOT_QUANTILES = [0.5, 0.75, 0.9, 0.95, 0.99] as const

const UNKNOWN: Estimate = { position: null, turnMs: null, readyMs: null }

/**
 * What is to be expected of a request that waits: pure. `instances`: how many it orders. `retryMs`: when it goes back
 * into the queue, near whose head it then is.
 */
export function estimate(
  facts: ForecastFacts | null,
  { instances, retryMs, nowMs }: { instances: number; retryMs: number | null; nowMs: number },
): Estimate {
  if (facts === null) return UNKNOWN
  const { key, computedMs, closed, bootsMs } = facts
  const place = key === null || computedMs === null ? null : placeOf(facts, key)
  const turnMs = (() => {
    if (closed === true) return null
    if (retryMs !== null) return Math.max(nowMs, retryMs)
    if (place === null || computedMs === null) return null
    return Math.max(nowMs, computedMs + place.turnMs)
  })()
  return {
    position: place === null ? null : place.position,
    turnMs,
    readyMs: turnMs === null ? null : turnMs + bootOf(bootsMs, instances),
  }
}

/** Between two points: by the part of the way from one key to the other. */
function placeOf(facts: ForecastFacts, key: string): { position: number; turnMs: number } {
  const { keyBelow, keyAbove, placeBelow, placeAbove, turnMsBelow, turnMsAbove } = facts
  if (keyBelow === null || placeBelow === null) return { position: 1, turnMs: 0 }
  if (keyAbove === null || placeAbove === null)
    return { position: placeBelow + (key > keyBelow ? 1 : 0), turnMs: turnMsBelow ?? 0 }
  const part = partOf(key, keyBelow, keyAbove)
  const between = (from: number, to: number) => from + part * (to - from)
  return {
    position: Math.round(between(placeBelow, placeAbove)),
    turnMs: between(turnMsBelow ?? 0, turnMsAbove ?? 0),
  }
}

const PARTS = 1_000_000n

function partOf(key: string, below: string, above: string): number {
  const [at, from, to] = [key, below, above].map((hex) => BigInt(`0x${hex}`)) as [bigint, bigint, bigint]
  return to > from ? Number(((at - from) * PARTS) / (to - from)) / Number(PARTS) : 0
}

/** The time by which all of so many instances run, as often as not. */
export function bootOf(bootsMs: readonly number[] | null, instances: number): number {
  if (bootsMs === null) return 0
  const wanted = 0.5 ** (1 / Math.max(1, instances))
  const index = BOOT_QUANTILES.findIndex((quantile) => quantile >= wanted - 0.02)
  return bootsMs[index === -1 ? BOOT_QUANTILES.length - 1 : index] ?? 0
}
