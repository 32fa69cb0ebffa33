/**
 * What claim-requests asks of preflight, in SQL. A project's bucket holds the last reading of its ready servers, as a
 * limit for a count that only grows: `ordered`, the instances that all claims have asked for. So a claim subtracts what
 * it takes by counting it, and a reading made meanwhile by another replica loses nothing (record-reading).
 */

/** A reading that nobody makes for so long is not waited for: orders go as without preflight. */
const PATIENCE_SECONDS = 10
const PATIENCE = `interval '${PATIENCE_SECONDS} seconds'`

/**
 * The gate of bucket `b` with its `level` at `clock.ts`, for a CROSS JOIN LATERAL; `on` (SQL) tells whether there is preflight at all.
 * Columns: `shut` (nothing goes before a reading), `ready_left` (instances that may still be ordered; null: no limit is
 * known), `ages` (the reading is worth renewing). A project whose budget does not pay for a reading and an order soon
 * waits for no reading. A project that is probed after trouble, of its own or of its credential
 * (a row of the CTE `credentials`), waits for no reading: the probe says more.
 */
export const gateOf = (on: string): string => `(
    SELECT
      ${on} AND b.blocked_until IS NULL AND coalesce(b.ready_until <= clock.ts, true)
        AND level.tokens + level.refill * ${PATIENCE_SECONDS} >= 2
        AND coalesce(b.preflight_at > clock.ts - ${PATIENCE}, true)
        AND NOT EXISTS (
          SELECT FROM credentials c WHERE c.credential_id = b.credential_id AND c.blocked_reason <> 'unproven'
        ) AS shut,
      CASE WHEN ${on} AND b.ready_until > clock.ts THEN b.ready_limit - b.ordered END AS ready_left,
      ${on} AND b.blocked_until IS NULL AND coalesce(b.renew_at <= clock.ts, true) AND coalesce(b.reading_until <= clock.ts, true) AS ages
  )`

/**
 * Whether order `q` fits, counted behind those before it in its project's queue, whose row in `left` has `ready_left`.
 * Where one does not fit, nothing behind it does: the next reading decides on it first.
 */
export const fits = ({ q, left, project }: { q: string; left: string; project: string }): string => `coalesce(
      coalesce(sum(${q}.max_count) OVER (
        PARTITION BY ${project} ORDER BY ${q}.queue_rank, ${q}.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ), 0) + ${q}.min_count <= ${left}.ready_left,
      true
    )`

/** Whether the claim in row `s` leaves work behind that waits for a reading. */
export const awaitsReading = (s: string): string => `(NOT ${s}.closed AND (${s}.shut OR ${s}.short))`

/** When its project's turn comes next in any case: the reading makes it due. */
export const UNTIL_READ = `clock.ts + ${PATIENCE}`

/** Whether that claim wants a reading. */
export const wantsReading = (s: string): string => `(${awaitsReading(s)} OR (${s}.n > 0 AND ${s}.ages))`
