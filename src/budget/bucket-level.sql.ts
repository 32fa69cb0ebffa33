/**
 * What bucket `b` holds at `clock.ts`, for a CROSS JOIN LATERAL: `refill` in calls per second, `tokens`, and
 * `poll_credit` when readiness gathers `share` (SQL, 0..1) of the inflow. The rule of budget/token-bucket.ts.
 */
export const bucketLevel = (share: string): string => `(
    SELECT
      inflow.refill,
      least(b.capacity, b.tokens + inflow.seconds * inflow.refill) AS tokens,
      least(1, b.poll_credit + inflow.seconds * inflow.refill * ${share}) AS poll_credit
    FROM (
      SELECT
        b.refill_per_second * b.rate_factor AS refill,
        greatest(0, extract(epoch FROM clock.ts - b.refilled_at))::float8 AS seconds
    ) inflow
  )`

/**
 * Whether bucket `b` is tight: it holds one token, so nothing of its limit is left for calls that come late
 * (budget/token-bucket.ts). Such a bucket begins to fill again when the call has been written. Until that is known it
 * counts with a reserve: the latest that the call may be written.
 */
export const TIGHT = '(b.capacity <= 1)'
/** The reserve of a creating call; what it has not used up is given back (note-written). */
export const CREATE_RESERVE_MS = 1000
/** The reserve of a reading call, which is not given back. */
const READ_RESERVE_MS = 100
/** How long before its time a token of a tight bucket may be claimed, by a caller that then waits for it. */
export const CLAIM_AHEAD_MS = 150

export const RESERVE = `interval '${CREATE_RESERVE_MS} ms'`
export const AHEAD = `interval '${CLAIM_AHEAD_MS} ms'`

/** When bucket `b` of this `level` has its next whole token, for a CROSS JOIN LATERAL. */
export const TOKEN_TIME = `(
    SELECT CASE
      WHEN level.tokens >= 1 THEN clock.ts
      ELSE greatest(b.refilled_at, clock.ts) + make_interval(secs => (1 - level.tokens) / level.refill)
    END AS at
  )`

/** What `refilled_at` becomes with the tokens that `r` has granted to reading calls. */
export const refilledAfterReading = `CASE
    WHEN ${TIGHT} AND r.granted > 0 THEN greatest(r.refilled_at, clock.ts + interval '${READ_RESERVE_MS} ms')
    ELSE r.refilled_at
  END`
