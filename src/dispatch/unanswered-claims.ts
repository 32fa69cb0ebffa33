import type { Logger } from 'pino'
import { type SettledAttempt, type SettleRow, settleAttempts } from '../attempt/settle-attempts.sql.ts'
import { applyCallResults, type BucketEffect } from '../budget/apply-call-results.sql.ts'
import { bucketLimit, type CallLimit, leastCreditBack } from '../budget/token-bucket.ts'
import type { Database } from '../database/database.ts'

/** A claim takes effect at most this long after its connection was lost: its statement's own time limit, and more. */
const DOUBT_MS = 20_000
const LOOK_EVERY_MS = 1000

export interface UnansweredClaim {
  replicaId: string
  attemptIds: readonly string[]
  /** performance.now() before the claim was sent. */
  claimedAt: number
}

export interface UnansweredClaims {
  /** A claim whose answer never came: it may have been committed, or may still be. */
  add(claim: UnansweredClaim): void
  /**
   * Puts back what such claims have taken; costs nothing while there are none. Throws while the database is
   * unreachable.
   */
  putBack(): Promise<void>
}

/**
 * Claims that were lost with their connection. No call was made for them, and no other replica knows: the attempts
 * belong to a lease still renewed. So this replica, which gave them their ids, puts their requests back into the queue,
 * and their tokens into the buckets.
 */
export function createUnansweredClaims({
  database,
  holderId,
  limitOf,
  logger,
  now = () => performance.now(),
}: {
  database: Database
  /** The replica's present id. Claims under a former one are rescued with its lease. */
  holderId: () => string
  limitOf: (projectId: string) => CallLimit
  logger: Logger
  now?: () => number
}): UnansweredClaims {
  let claims: (UnansweredClaim & { lostAt: number })[] = []
  let lookedAt = Number.NEGATIVE_INFINITY

  return {
    add: (claim) => {
      claims.push({ ...claim, lostAt: now() })
      lookedAt = Number.NEGATIVE_INFINITY
    },
    putBack: async () => {
      const at = now()
      if (claims.length === 0 || at - lookedAt < LOOK_EVERY_MS) return
      claims = claims.filter((claim) => claim.replicaId === holderId())
      const rows = claims.flatMap(({ attemptIds, replicaId }) =>
        attemptIds.map((attemptId) => unansweredOf(attemptId, replicaId)),
      )
      const oldestAt = Math.min(...claims.map((claim) => claim.claimedAt))
      const settled = await database.transaction(async (sql) => {
        const requests = await settleAttempts(sql, rows, 1)
        await applyCallResults(sql, effectsOf(requests, (now() - oldestAt) / 1000, limitOf))
        return requests
      })
      lookedAt = at
      claims = claims.filter((claim) => at - claim.lostAt < DOUBT_MS)
      if (settled.length > 0)
        logger.warn({ attempts: settled.length }, 'put back claims that were not answered')
    },
  }
}

/**
 * Their projects have work again, and the guaranteed minimum of their tokens back; `seconds` since the oldest claim.
 * Pure.
 */
function effectsOf(
  settled: readonly SettledAttempt[],
  seconds: number,
  limitOf: (projectId: string) => CallLimit,
): BucketEffect[] {
  const byProject = Map.groupBy(settled, ({ projectId }) => projectId)
  return [...byProject].map(([projectId, { length }]) => {
    const { refillPerSecond } = bucketLimit(limitOf(projectId))
    const refund = length * leastCreditBack(refillPerSecond, seconds)
    return { projectId, effect: 'work', blockMs: null, reason: null, refund }
  })
}

/** The record of an attempt whose claim was not answered: no call was made, and it costs nothing. Pure. */
export function unansweredOf(attemptId: string, replicaId: string): SettleRow {
  const code = 'claim_unanswered'
  const message = 'the answer to the claim was lost, no call was made'
  return {
    attemptId,
    replicaId,
    from: 'in_flight',
    to: 'not_created',
    httpStatus: null,
    errorCode: code,
    errorMessage: message,
    evidence: { error_code: code, error_message: message },
    reconcileInMs: null,
    auditInMs: null,
    listingsWithout: null,
    requestState: 'queued',
    cause: 'not_sent',
    failed: false,
    refund: 1,
    retryInMs: null,
    instances: [],
    events: [],
  }
}
