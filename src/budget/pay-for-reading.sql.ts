import type { Sql } from '../database/database.ts'
import { startAge } from '../runtime/age.ts'
import { newUuid } from '../runtime/uuid.ts'
import {
  AFTER_PROBE,
  credentialLevels,
  lockCredentials,
  READING_OF_CREDENTIAL,
  tryAgainAt,
} from './credential.sql.ts'
import type { PaidCall } from './lateness.ts'
import { keptByReading, levelOf, paymentOf, READ_RESERVE_MS, readingGrant } from './pay.sql.ts'

/** How a call pays, from either bucket. */
const PAYMENT = {
  n: 'r.granted',
  lateMs: '$4::float8',
  reserveMs: `(${READ_RESERVE_MS} + $4::float8)`,
}
const ONE_FOR_A_LISTING = '(NOT level.closed AND level.tokens >= 1)::int'

/** While creating waits for tokens of credential `c` at `level`, listings get one of so many, however many projects they are of. */
const TOKENS_PER_LISTING = 3
const nextListing = (level: string) =>
  `CASE WHEN ${level}.busy AND c.blocked_until IS NULL THEN c.listed_at + make_interval(secs => ${TOKENS_PER_LISTING} / ${level}.refill) END`
const listingIsDue = (level: string) => `coalesce(${nextListing(level)} <= clock.ts, true)`
const LISTING_OF_CREDENTIAL = `(NOT level.closed AND level.tokens >= 1 AND ${listingIsDue('level')})::int`

/**
 * What a payment does to a bucket whose level is in row `level` (SQL). A listing that it does not pay for is lent the
 * credit for the next token, if it `lends` (SQL).
 */
const paidColumns = (bucket: string, level: string, lends: string) => `
    tokens = payment.tokens,
    refilled_at = payment.refilled_at,
    payment = CASE WHEN r.granted = 1 THEN $5::uuid ELSE ${bucket}.payment END,
    poll_credit = CASE
      WHEN NOT $2::bool THEN greatest(0, ${level}.poll_credit - r.granted)
      WHEN r.granted = 0 AND ${lends} THEN 1
      ELSE ${level}.poll_credit
    END,
    poll_wanted_until = CASE
      WHEN r.granted = 1 THEN NULL
      WHEN NOT $2::bool OR ${lends} THEN clock.ts + interval '5 seconds'
      ELSE ${bucket}.poll_wanted_until
    END`

/**
 * Pays for one reading call of a project: a poll of a single instance, by the rule of all polls (readingGrant), or one
 * page of a listing. Its credential pays as well, where that holds calls back (credential.sql.ts).
 *
 * For a listing somebody is waiting, because an order's outcome is unknown. So it need not earn its calls like
 * readiness: it takes any token that is there, and where there is none it lends the project the credit for one call,
 * so that creating leaves the next token for it. How often a project is listed bounds what this costs; of a credential,
 * whose projects may be many, TOKENS_PER_LISTING does.
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
credentials AS MATERIALIZED (
  ${lockCredentials('bucket')}
),
levels AS MATERIALIZED (
  ${credentialLevels('$3::float8', `CASE WHEN $2::bool THEN ${LISTING_OF_CREDENTIAL} ELSE ${READING_OF_CREDENTIAL} END`)}
),
refilled AS MATERIALIZED (
  SELECT level.*, b.credential_id,
    least(l.available, 1, CASE WHEN $2::bool THEN ${ONE_FOR_A_LISTING} ELSE ${readingGrant('1')} END) AS granted
  FROM bucket b
  CROSS JOIN clock
  CROSS JOIN LATERAL ${levelOf('$3::float8')} level
  LEFT JOIN levels l USING (credential_id)
),
paid_credential AS (
  UPDATE credential_bucket c
  SET ${paidColumns('c', 'l', `NOT l.closed AND ${listingIsDue('l')}`)},
    listed_at = CASE WHEN $2::bool AND r.granted = 1 THEN clock.ts ELSE c.listed_at END,
    due_at = CASE WHEN l.probing AND r.granted = 1 THEN ${AFTER_PROBE} ELSE c.due_at END
  FROM levels l
  JOIN refilled r USING (credential_id)
  CROSS JOIN clock
  CROSS JOIN LATERAL ${paymentOf({ ...PAYMENT, r: 'l', kept: keptByReading('l') })} payment
  WHERE c.credential_id = l.credential_id
  RETURNING c.credential_id, l.probing, c.due_at, ${tryAgainAt('c')} AS try_at, l.tokens, payment.room_ms,
    greatest(l.token_at, CASE WHEN $2::bool THEN ${nextListing('l')} END) AS token_at
)
UPDATE rate_bucket b
SET ${paidColumns('b', 'r', 'NOT r.closed')}
FROM refilled r
LEFT JOIN paid_credential k USING (credential_id)
CROSS JOIN clock
CROSS JOIN LATERAL ${paymentOf({ ...PAYMENT, r: 'r', kept: keptByReading('r', 'k.tokens') })} payment
WHERE b.project_id = $1
RETURNING
  r.granted = 1 AS "granted",
  r.closed OR coalesce(r.granted = 0 AND k.probing AND k.due_at > clock.ts, false) AS "closed",
  least(r.refill, CASE WHEN k.credential_id IS NOT NULL THEN (SELECT l.refill FROM levels l) END) AS "refillPerSecond",
  least(payment.room_ms, k.room_ms) AS "roomMs",
  CASE
    WHEN r.granted = 1 THEN 0
    ELSE extract(epoch FROM greatest(
      CASE WHEN r.closed THEN b.blocked_until ELSE r.token_at END,
      CASE WHEN k.probing THEN k.try_at ELSE k.token_at END
    ) - clock.ts)::float8 * 1000
  END::float8 AS "waitMs",
  b.credential_id AS "credentialId",
  k.probing AS "credentialProbing"
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
  /** Of a credential that may hold calls back, else null: whether the call is its probe. */
  credentialProbing: boolean | null
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
