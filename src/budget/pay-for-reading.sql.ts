import type { Sql } from '../database/database.ts'
import { startAge } from '../runtime/age.ts'
import { newUuid } from '../runtime/uuid.ts'
import type { PaidCall } from './lateness.ts'
import { keptByReading, levelOf, paymentOf, READ_RESERVE_MS, readingGrant } from './pay.sql.ts'

/**
 * Pays for one reading call of a project: a poll of a single instance, by the rule of all polls (readingGrant), or one
 * page of a listing.
 *
 * For a listing somebody is waiting, because an order's outcome is unknown. So it need not earn its calls like
 * readiness: it takes any token that is there, and where there is none it lends the project the credit for one call,
 * so that creating leaves the next token for it. How often a project is listed bounds what this costs.
 *
 * $1 project, $2 whether it is for a listing, $3 share (0..1) of readiness, $4 milliseconds that all calls of the process
 * are late by, $5 the name of the payment.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
bucket AS MATERIALIZED (
  SELECT b.*
  FROM rate_bucket b
  WHERE b.project_id = $1
  FOR UPDATE OF b
),
refilled AS MATERIALIZED (
  SELECT level.*,
    CASE WHEN $2::bool THEN (NOT level.closed AND level.tokens >= 1)::int ELSE ${readingGrant('1')} END AS granted
  FROM bucket b
  CROSS JOIN clock
  CROSS JOIN LATERAL ${levelOf('$3::float8')} level
)
UPDATE rate_bucket b
SET
  tokens = payment.tokens,
  refilled_at = payment.refilled_at,
  payment = CASE WHEN r.granted = 1 THEN $5::uuid ELSE b.payment END,
  poll_credit = CASE
    WHEN NOT $2::bool THEN greatest(0, r.poll_credit - r.granted)
    WHEN r.granted = 1 OR r.closed THEN r.poll_credit
    ELSE 1
  END,
  poll_wanted_until = CASE
    WHEN r.granted = 0 AND NOT ($2::bool AND r.closed) THEN clock.ts + interval '5 seconds'
    WHEN $2::bool THEN b.poll_wanted_until
  END
FROM refilled r
CROSS JOIN clock
CROSS JOIN LATERAL ${paymentOf({ r: 'r', n: 'r.granted', lateMs: '$4::float8', reserveMs: `(${READ_RESERVE_MS} + $4::float8)`, kept: keptByReading })} payment
WHERE b.project_id = $1
RETURNING
  r.granted = 1 AS "granted",
  r.closed AS "closed",
  r.refill AS "refillPerSecond",
  payment.room_ms AS "roomMs",
  CASE
    WHEN r.granted = 1 THEN 0
    WHEN r.closed THEN extract(epoch FROM b.blocked_until - clock.ts)::float8 * 1000
    ELSE extract(epoch FROM r.token_at - clock.ts)::float8 * 1000
  END::float8 AS "waitMs"
`

export interface ReadingPayment extends PaidCall {
  /** Whether the call is paid for. */
  granted: boolean
  /** The bucket is closed. */
  closed: boolean
  /** Calls per second that flow into the bucket now. */
  refillPerSecond: number
  /** Milliseconds until it is worth trying again. */
  waitMs: number
}

/** Null when the project has no bucket, which no project with a request has. */
export async function payForReading(
  sql: Sql,
  params: {
    projectId: string
    purpose: 'poll' | 'listing'
    /** Of readiness, 0..1; for a listing it only gathers. */
    share: number
    lateMs: number
  },
): Promise<ReadingPayment | null> {
  const { projectId, purpose, share, lateMs } = params
  const age = startAge()
  const payment = newUuid()
  const [row] = await sql.query<Omit<ReadingPayment, 'age' | 'payment'>>(
    TEXT,
    projectId,
    purpose === 'listing',
    share,
    lateMs,
    payment,
  )
  return row === undefined ? null : { ...row, age, payment }
}
