/**
 * What bucket `b` holds at `clock.ts`, for a CROSS JOIN LATERAL: `refill` in calls per second, `tokens`, and
 * `poll_credit` when readiness gathers `share` (SQL, 0..1) of the inflow. The rule of dispatch/token-bucket.ts.
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
