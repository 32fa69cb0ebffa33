import { lockUncertain } from '../attempt/find-uncertain.sql.ts'
import { timeAfter } from '../attempt/look-evidence.ts'
import { settleAttempts } from '../attempt/settle-attempts.sql.ts'
import { findOwners } from '../attempt/unexpected-instances.sql.ts'
import { adoptionOf, type SettlementRules, voidOf } from '../attempt/verdict-settlement.ts'
import type { Database } from '../database/database.ts'

/** What a person has found out: the instances that the call created, or that it created none. */
export type HandVerdict = { adopt: readonly string[] } | 'void'

/** Thrown when a verdict cannot be taken; nothing was changed. */
export class ResolveError extends Error {
  override readonly name = 'ResolveError'
}

/**
 * Settles the uncertain attempt of a request by a person's verdict, as the reconciler would, with its history and
 * events. The evidence says that it was a person. Returns the state that the request is in then.
 */
export async function resolveByHand(
  database: Database,
  { projectId, requestId }: { projectId: string; requestId: string },
  verdict: HandVerdict,
  { firstPollMs, ...rules }: SettlementRules & { firstPollMs: number },
): Promise<string> {
  return database.transaction(async (sql) => {
    const attempt = await lockUncertain(sql, { projectId, requestId })
    if (attempt === null) {
      throw new ResolveError(`request ${requestId} of project ${projectId} has no attempt of unknown outcome`)
    }
    const evidence = {
      ...(attempt.evidence as object | null),
      resolved_by_hand: timeAfter(attempt, attempt.ageMs),
    }
    if (verdict !== 'void') {
      if (verdict.adopt.length === 0) throw new ResolveError('no instance to adopt')
      const [known] = await findOwners(sql, projectId, verdict.adopt)
      if (known !== undefined) throw new ResolveError(`instance ${known[0]} belongs to another request`)
    }
    const row =
      verdict === 'void'
        ? voidOf(attempt, { listingsWithout: attempt.listingsWithout, evidence }, rules)
        : adoptionOf(attempt, { instanceIds: [...new Set(verdict.adopt)], evidence }, rules)
    await settleAttempts(sql, [row], firstPollMs)
    return row.requestState
  })
}
