import type { BucketLimit } from '../../src/budget/token-bucket.ts'

/**
 * The rule of src/budget/pay.sql.ts for buckets that are not tight, in TypeScript: what the statements are held
 * against, and what the promise is proven with.
 */
export interface Level {
  tokens: number
  /** Seconds on one clock. */
  refilledAt: number
}

const SPREAD_SECONDS = 0.1
const TRANSIT_PART = 0.3
const SPARE_SECONDS = 0.5

/** The level at `at`; a clock that stands behind the last refill adds nothing and takes nothing away. */
export function refill(level: Level, limit: BucketLimit, at: number): Level {
  const elapsed = Math.max(0, at - level.refilledAt)
  return {
    tokens: Math.min(limit.capacity, level.tokens + elapsed * limit.refillPerSecond),
    refilledAt: Math.max(level.refilledAt, at),
  }
}

/** Pays at `at` for up to `wanted` calls of a process whose calls are all late by `lateMs`. */
export function pay(
  before: Level,
  limit: BucketLimit,
  { at, wanted, lateMs = 0 }: { at: number; wanted: number; lateMs?: number },
): {
  paid: number
  roomMs: number
  /** How long the calls may be in transit besides: after writing, nobody can help. */
  transitMs: number
  level: Level
} {
  const level = refill(before, limit, at)
  const paid = Math.min(wanted, Math.floor(level.tokens))
  const { refillPerSecond: rate, capacity } = limit
  const spread = Math.min(SPREAD_SECONDS, (capacity - 1) / rate)
  const counted = Math.min(
    level.tokens,
    capacity + rate * (spread / 2 - lateMs / 1000),
    Math.max(paid + 2, capacity / 2, capacity - rate * SPARE_SECONDS),
  )
  const wholeMs = ((capacity - counted) / rate + spread) * 1000
  const transitMs = TRANSIT_PART * (wholeMs - lateMs)
  const roomMs = wholeMs - transitMs
  if (paid === 0) return { paid, roomMs, transitMs, level }
  const debt = Math.max(0, paid - counted)
  return {
    paid,
    roomMs,
    transitMs,
    level: { tokens: Math.max(0, counted - paid), refilledAt: level.refilledAt + debt / rate },
  }
}
