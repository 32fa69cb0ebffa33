import { ARRIVAL_SPREAD_SECONDS } from './token-bucket.ts'

/**
 * How a call is paid for, in SQL. A statement that pays has a row `clock` (`ts`, the database's time), locks the
 * buckets `b` it pays from in project order, and then in three steps:
 *
 *   level    what the bucket holds now
 *   granted  how many calls it pays for: the statement's own decision
 *   payment  what is left of the bucket, and how late the calls may be
 *
 * The promise is `burst + rate * T` calls in any T seconds as they arrive, and a call arrives after its token was taken.
 * Of a bucket that counted L tokens at that instant, at most `L + rate * (T + late)` calls arrive in T seconds from a
 * call on that is `late`. So each call may be late by (burst - L) / rate: the emptier the bucket, the more. A payment
 * returns this room, less a part for what differs in transit, and lateness.ts holds the call to it. Where that is too
 * little, the payment buys more. Of a bucket that is more than half full, tokens that nobody waits for are given up, as
 * far as that makes SPARE_SECONDS of room. And there is always room for what all calls of the process are late by
 * (`late`) and half an arrival spread, if need be for tokens that are not there yet: the bucket begins to fill again
 * later.
 *
 * A tight bucket (capacity 1, token-bucket.ts) has no room to give. Its call pays in advance for a whole reserve of
 * lateness; what a creating call has not used is given back (note-written).
 *
 * The bucket keeps the name of its last payment (`payment`, made by the caller): a call that was not made is paid back
 * only while nothing was paid since, because how late later calls may be was reckoned without it.
 *
 * The project's credential may have a bucket as well (credential.sql.ts). It is locked after the projects', what is granted
 * is the least of both, both are paid, and their calls may be late by the least of both rooms. A pause by a person holds
 * back claims of orders only, and changes nothing here (pause.sql.ts).
 *
 * Made of it are claim-requests (creating), claim-polls (polls), and pay-for-reading (one poll of a single instance, one
 * page of a listing, one reading of the servers).
 */

/** The part of the room, beyond what all calls are late by, that is left for transit, after the call was written. */
const TRANSIT_PART = 0.3
/** The room that a full bucket makes for its calls, in seconds, with tokens that they do not need. */
const SPARE_SECONDS = 0.5

/** Whether a bucket is tight. */
const tightOf = (b: string) => `(${b}.capacity <= 1)`
/** The reserve of a creating call on a tight bucket, and of a reading one, which is not given back. */
export const CREATE_RESERVE_MS = 1000
export const READ_RESERVE_MS = 100
/**
 * What others than a reading call wait for of a bucket at level `r`: all of it while creating does, of a project's no more
 * than its credential has (`affords`, SQL; null where that holds nobody back).
 */
export const keptByReading = (r: string, affords = 'NULL'): string =>
  `CASE WHEN ${r}.busy THEN least(${r}.tokens, ${affords}) ELSE 1 END`
/** Others than a creating call: a part of a token, and one that is left for a reading call. */
export const KEPT_BY_CREATING = '2'
/** How long before its time a token of a tight bucket may be claimed, by a caller that then waits for it. */
export const CLAIM_AHEAD_MS = 150

export const AHEAD = `interval '${CLAIM_AHEAD_MS} ms'`

/**
 * What a bucket, by default `b`, holds at `clock.ts`, for a CROSS JOIN LATERAL named `level`; `share` (SQL, 0..1) of the
 * inflow is gathered for readiness. `busy` (SQL) is whether creating waits for its tokens. Columns: `capacity`, `rate`
 * (calls per second that the limit allows), `refill` (calls per second that flow in), `spread` (the arrival spread of its
 * limit, in seconds), `tokens`, `poll_credit`, `refilled_at`, `busy` (creating waits for tokens), `closed` (blocked now),
 * `tight`, `token_at` (when the next whole token is there).
 */
export const levelOf = (share: string, b = 'b', busy = `${b}.due_at IS NOT NULL`): string => `(
    SELECT
      now.*,
      CASE
        WHEN now.tokens >= 1 THEN clock.ts
        ELSE now.refilled_at + make_interval(secs => (1 - now.tokens) / now.refill)
      END AS token_at
    FROM (
      SELECT
        ${b}.capacity,
        ${b}.refill_per_second AS rate,
        inflow.refill,
        least(${ARRIVAL_SPREAD_SECONDS}, (${b}.capacity - 1) / ${b}.refill_per_second) AS spread,
        least(${b}.capacity, ${b}.tokens + inflow.seconds * inflow.refill) AS tokens,
        least(1, ${b}.poll_credit + inflow.seconds * inflow.refill * ${share}) AS poll_credit,
        greatest(${b}.refilled_at, clock.ts) AS refilled_at,
        ${busy} AS busy,
        coalesce(${b}.blocked_until > clock.ts, false) AS closed,
        ${tightOf(b)} AS tight
      FROM (
        SELECT
          ${b}.refill_per_second * ${b}.rate_factor AS refill,
          greatest(0, extract(epoch FROM clock.ts - ${b}.refilled_at))::float8 AS seconds
      ) inflow
    ) now
  )`

/**
 * What `n` calls (SQL) leave of the bucket whose level is in row `r`, for a CROSS JOIN LATERAL; `lateMs` (SQL) is what
 * all calls of the process are late by, `reserveMs` the reserve of a call on a tight bucket, `kept` (SQL) how many
 * tokens more others wait for, `tokenAt` (SQL) when a call on a tight bucket has all its tokens. Columns: `tokens` and
 * `refilled_at` of the bucket from now on, and `room_ms`: how long after `clock.ts` (of a tight bucket after `tokenAt`)
 * they may be written.
 */
export const paymentOf = ({
  r,
  n,
  lateMs,
  reserveMs,
  kept,
  tokenAt = `${r}.token_at`,
}: {
  r: string
  n: string
  lateMs: string
  reserveMs: string
  kept: string
  tokenAt?: string
}): string => `(
    SELECT
      CASE WHEN ${n} = 0 THEN ${r}.tokens ELSE greatest(0, counted.tokens - ${n}) END AS tokens,
      CASE
        WHEN ${n} = 0 THEN ${r}.refilled_at
        WHEN ${r}.tight THEN greatest(${r}.refilled_at, ${tokenAt} + make_interval(secs => ${reserveMs} / 1000.0))
        ELSE ${r}.refilled_at + make_interval(secs => greatest(0, ${n} - counted.tokens) / ${r}.refill)
      END AS refilled_at,
      CASE
        WHEN ${r}.tight THEN ${reserveMs}
        ELSE ${lateMs} + ${1 - TRANSIT_PART} * (
          ((${r}.capacity - counted.tokens) / ${r}.rate + ${r}.spread) * 1000 - ${lateMs}
        )
      END AS room_ms
    FROM (
      SELECT CASE
        WHEN ${r}.tight THEN ${r}.tokens
        ELSE least(
          ${r}.tokens,
          ${r}.capacity + ${r}.rate * (${r}.spread / 2 - ${lateMs} / 1000),
          greatest(${n} + ${kept}, ${r}.capacity / 2, ${r}.capacity - ${r}.rate * ${SPARE_SECONDS})
        )
      END AS tokens
    ) counted
  )`

/**
 * The room of a payment in row `s` (SQL), counted from `at`, when a call has all its tokens; null where it is made at
 * once.
 */
export const roomFrom = (s: string, at: string): string => `(${s}.room_ms - CASE
    WHEN ${s}.tight THEN 0
    ELSE greatest(0, coalesce(extract(epoch FROM ${at} - clock.ts), 0)) * 1000
  END::float8)`

/** How many of the calls that an input row `i` gives back (`refunds`, names of payments) go back into bucket `b` (SQL). */
export const refundTo = (b: string): string =>
  `(SELECT count(*) FROM json_array_elements_text(i."refunds") back(payment) WHERE back.payment::uuid = ${b}.payment)`

/** Whether a reading call waits for its share of the bucket at its `level`: creating leaves one token for it. */
export const readingWaits = (b: string): string =>
  `coalesce(${b}.poll_wanted_until > clock.ts AND level.poll_credit >= 1, false)`

/** How many creating calls a bucket at its `level` pays for; a tight one gives its token a little before its time. */
export const creatingGrant = (b: string): string => `CASE
      WHEN level.closed THEN 0
      WHEN ${b}.blocked_until IS NOT NULL THEN least(1, floor(level.tokens))
      WHEN level.tight AND level.token_at <= clock.ts + ${AHEAD} AND NOT ${readingWaits(b)} THEN 1
      ELSE floor(greatest(0, level.tokens - ${readingWaits(b)}::int))
    END::int`

/** How many tokens of a bucket at its `level` are worth a claim: at a high rate those of 50 ms. */
export const WORTHWHILE = 'greatest(1, least(level.capacity / 2, level.refill * 0.05))'

/** When tokens are there that are worth a claim, of a bucket of which a payment has left what is in row `s` (SQL). */
export const nextTurn = (s: string): string => `(
      greatest(clock.ts, ${s}.paid_at + make_interval(secs => greatest(0, (${s}.worthwhile - ${s}.tokens_left) / ${s}.refill)))
      - CASE WHEN ${s}.tight THEN ${AHEAD} ELSE interval '0' END
    )`

/**
 * How many of `wanted` reading calls (SQL) bucket `b` at its `level` pays for: as many as it has tokens for while no
 * work is queued, else one for each credit that readiness has gathered. A bucket that reading has closed gives one at
 * a time, until an answer has shown that the project is served again.
 */
export const readingGrant = (wanted: string): string => `CASE
      WHEN level.closed OR level.tokens < 1 THEN 0
      WHEN b.due_at IS NULL THEN least(${wanted}, floor(level.tokens), CASE WHEN ${PROBING} THEN 1 END)
      WHEN level.poll_credit >= 1 THEN 1
      ELSE 0
    END::int`

/** Whether bucket `b` was closed by something that a reading call may find ended. */
export const PROBING = `coalesce(b.blocked_reason <> 'upstream_unavailable', false)`
