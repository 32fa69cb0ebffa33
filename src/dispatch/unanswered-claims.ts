import type { Logger } from 'pino'
import { type ClaimedAttempt, findClaims, type HeldClaim } from '../attempt/rescue-claims.sql.ts'
import {
  NO_POLLS,
  type SettledAttempt,
  type SettleRow,
  settleAttempts,
} from '../attempt/settle-attempts.sql.ts'
import { applyCallResults, type BucketEffect } from '../budget/apply-call-results.sql.ts'
import { CLAIM_AHEAD_MS } from '../budget/pay.sql.ts'
import { NO_CREDENTIALS, type PayingCredentials } from '../budget/paying-credentials.ts'
import type { Database } from '../database/database.ts'

/** A claim takes effect at most this long after its connection was lost: its statement's own time limit, and more. */
const DOUBT_MS = 20_000
const LOOK_EVERY_MS = 1000

export interface UnansweredClaim {
  replicaId: string
  claimId: string
}

export interface UnansweredClaims {
  /** A claim whose answer never came: it may have been committed, or may still be. */
  add(claim: UnansweredClaim): void
  /**
   * Puts back what such claims have taken; costs nothing while there are none. Throws while the database is
   * unreachable.
   */
  putBack(): Promise<void>
  /** Whether there are any. */
  any(): boolean
}

/**
 * Claims that were lost with their connection. No call was made for them, and no other replica knows: they belong to a
 * lease still renewed. So this replica, which gave them their ids, puts their requests back into the queue, and
 * their tokens into the buckets: not before the time of a token that was claimed ahead.
 */
export function createUnansweredClaims({
  database,
  holderId,
  credentials = NO_CREDENTIALS,
  logger,
  now = () => performance.now(),
}: {
  database: Database
  /** The replica's present id. Claims under a former one are rescued with its lease. */
  holderId: () => string
  credentials?: Pick<PayingCredentials, 'putBack'>
  logger: Logger
  now?: () => number
}): UnansweredClaims {
  let claims: (UnansweredClaim & { lostAt: number })[] = []
  let lookedAt = Number.NEGATIVE_INFINITY

  return {
    any: () => claims.length > 0,
    add: (claim) => {
      claims.push({ ...claim, lostAt: now() })
      lookedAt = Number.NEGATIVE_INFINITY
    },
    putBack: async () => {
      const at = now()
      if (claims.length === 0 || at - lookedAt < LOOK_EVERY_MS) return
      claims = claims.filter(
        ({ replicaId, lostAt }) => replicaId === holderId() && at - lostAt < DOUBT_MS + LOOK_EVERY_MS,
      )
      const lost = claims.filter(({ lostAt }) => at - lostAt >= CLAIM_AHEAD_MS).map(({ claimId }) => claimId)
      if (lost.length === 0) return
      const found = await findClaims(database, lost)
      const released = await release(database, found)
      for (const { projectId, payment } of released) credentials.putBack(projectId, payment)
      lookedAt = at
      const done = new Set(found.map(({ id }) => id))
      claims = claims.filter(({ claimId, lostAt }) => !done.has(claimId) && at - lostAt < DOUBT_MS)
      if (released.length > 0)
        logger.warn({ attempts: released.length }, 'put back claims that were not answered')
    },
  }
}

/** Puts back what the claims hold, and removes them; returns the requests that went back, with their payments. */
async function release(
  database: Database,
  claims: readonly HeldClaim[],
): Promise<{ projectId: string; payment: string }[]> {
  if (claims.length === 0) return []
  const rows = claims.flatMap(({ id, attempts }) => attempts.map((attempt) => unansweredOf(attempt, id)))
  const claimIds = claims.map(({ id }) => id)
  return database.transaction(async (sql) => {
    const settled = await settleAttempts(sql, rows, NO_POLLS, claimIds)
    await applyCallResults(sql, effectsOf(settled, claims))
    const payments = paymentsOf(claims)
    return settled.flatMap(({ id, projectId }) => {
      const payment = payments.get(id)
      return payment === undefined ? [] : [{ projectId, payment }]
    })
  })
}

/** Their projects have work again, and their tokens back; the claim names its payments. Pure. */
function effectsOf(settled: readonly SettledAttempt[], claims: readonly HeldClaim[]): BucketEffect[] {
  const payments = paymentsOf(claims)
  const byProject = Map.groupBy(settled, ({ projectId }) => projectId)
  return [...byProject].map(([projectId, requests]) => {
    const refunds = requests.flatMap(({ id }) => payments.get(id) ?? [])
    return { projectId, effect: 'work', blockMs: null, reason: null, refunds }
  })
}

/** By request, the name of its payment: the claim's. */
function paymentsOf(claims: readonly HeldClaim[]): Map<string, string> {
  return new Map(claims.flatMap(({ id, attempts }) => attempts.map((attempt) => [attempt.id, id] as const)))
}

/** The record of an attempt whose claim was not answered: no call was made, and it costs nothing. Pure. */
export function unansweredOf({ id, attempt }: Omit<ClaimedAttempt, 'projectId'>, claimId: string): SettleRow {
  const message = 'the answer to the claim was lost, no call was made'
  const evidence = { error_code: 'claim_unanswered', error_message: message }
  return {
    id,
    attempt,
    from: 'dispatching',
    claimId,
    to: 'queued',
    change: { cause: 'not_sent', attempt, outcome: 'not_created', evidence },
    refund: 1,
    retryInMs: null,
    instanceIds: [],
    instanceName: null,
    look: null,
  }
}
