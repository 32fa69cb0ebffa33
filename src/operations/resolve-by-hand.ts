import { lockDoubt } from '../attempt/find-doubt.sql.ts'
import { findOwners } from '../attempt/find-owners.sql.ts'
import { settledEvidence, timeAfter } from '../attempt/look-evidence.ts'
import { type PollTimes, settleAttempts } from '../attempt/settle-attempts.sql.ts'
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
  database: Pick<Database, 'prismaTransaction'>,
  { projectId, requestId }: { projectId: string; requestId: string },
  verdict: HandVerdict,
  { pollTimes, ...rules }: SettlementRules & { pollTimes: PollTimes },
): Promise<string> {
  return database.prismaTransaction(async (sql) => {
    const doubt = await lockDoubt(sql, { projectId, requestId })
    if (doubt === null) {
      throw new ResolveError(`request ${requestId} of project ${projectId} has no attempt of unknown outcome`)
    }
    const seen = settledEvidence(doubt.evidence, doubt.listingsWithout)
    const evidence = { ...seen, resolved_by_hand: timeAfter(doubt, doubt.ageMs) }
    if (verdict !== 'void') {
      if (verdict.adopt.length === 0) throw new ResolveError('no instance to adopt')
      const [known] = await findOwners(sql, projectId, verdict.adopt)
      if (known !== undefined) throw new ResolveError(`instance ${known[0]} belongs to another request`)
    }
    const row =
      verdict === 'void'
        ? voidOf(doubt, { evidence }, rules)
        : adoptionOf(doubt, { instanceIds: [...new Set(verdict.adopt)], evidence }, rules)
    await settleAttempts(sql, [row], pollTimes)
    return row.to
  })
}
