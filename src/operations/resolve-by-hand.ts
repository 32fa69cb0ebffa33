import { lockDoubt } from '../attempt/find-doubt.sql.ts'
import { findOwners } from '../attempt/find-owners.sql.ts'
import { heldByLastListing, settledEvidence, timeAfter } from '../attempt/look-evidence.ts'
import type { OpenDoubt } from '../attempt/open-doubt.ts'
import { type PollTimes, type SettledAttempt, settleAttempts } from '../attempt/settle-attempts.sql.ts'
import { adoptionOf, type SettlementRules, voidOf } from '../attempt/verdict-settlement.ts'
import type { Database } from '../database/database.ts'
import { isTaken } from '../database/errors.ts'
import type { RequestState } from '../request/provision-request.ts'
import type { RequestKey } from '../request/request-key.ts'
import type { By } from './audit.ts'
import { writeAudit } from './write-audit.sql.ts'

/** What a person has found out: the instances that the call created, or that it created none. */
export type HandVerdict = { adopt: readonly string[] } | 'void'

/** Thrown when a verdict cannot be taken; nothing was changed. */
export class ResolveError extends Error {
  override readonly name = 'ResolveError'
  /** What is known of the attempt; null where the request has none of unknown outcome. */
  readonly evidence: Readonly<Record<string, unknown>> | null

  constructor(message: string, evidence: Readonly<Record<string, unknown>> | null = null) {
    super(message)
    this.evidence = evidence
  }
}

export interface Resolved {
  /** The state that the request is in now. */
  state: RequestState
  settled: readonly SettledAttempt[]
}

/**
 * Settles the uncertain attempt of a request by a person's verdict, as the reconciler would, with its history and
 * events, and writes it to the audit. The evidence says that it was a person.
 * @throws {ResolveError} when the attempt is not uncertain, or what is known speaks against the verdict
 */
export async function resolveByHand(
  database: Pick<Database, 'prismaTransaction'>,
  { projectId, requestId }: RequestKey,
  verdict: HandVerdict,
  { pollTimes, ...rules }: SettlementRules & { pollTimes: PollTimes },
  by: By,
): Promise<Resolved> {
  const instanceIds = verdict === 'void' ? [] : [...new Set(verdict.adopt)]
  const settle = (): Promise<Resolved> =>
    database.prismaTransaction(async (sql) => {
      const doubt = await lockDoubt(sql, { projectId, requestId })
      if (doubt === null) {
        throw new ResolveError(
          `request ${requestId} of project ${projectId} has no attempt of unknown outcome`,
        )
      }
      const known = await findOwners(sql, projectId, [...instanceIds, ...doubt.named])
      const objection = objectionTo({ doubt, verdict, known })
      if (objection !== null) throw new ResolveError(objection, doubt.evidence)
      const seen = settledEvidence(doubt.evidence, doubt.listingsWithout)
      const evidence = { ...seen, resolved_by_hand: timeAfter(doubt, doubt.ageMs) }
      const row =
        verdict === 'void'
          ? voidOf(doubt, { evidence }, rules)
          : adoptionOf(doubt, { instanceIds, evidence }, rules)
      const settled = await settleAttempts(sql, [row], pollTimes)
      await writeAudit(sql, {
        ...by,
        verb: 'resolve',
        projectId,
        target: requestId,
        before: { state: 'uncertain', attempt: doubt.attempt },
        after: { state: row.to, ...(verdict === 'void' ? { void: true } : { adopted: instanceIds }) },
        until: null,
      })
      return { state: row.to, settled }
    })
  try {
    return await settle()
  } catch (error) {
    if (isTaken(error))
      throw new ResolveError('one of the instances has just come to belong to another request')
    throw error
  }
}

/** Why what is known of an attempt speaks against a verdict; null where it does not. Pure. */
export function objectionTo({
  doubt,
  verdict,
  known,
}: {
  doubt: Pick<OpenDoubt, 'evidence' | 'named' | 'maxCount'>
  verdict: HandVerdict
  /** Instances that have an owner. */
  known: Pick<ReadonlyMap<string, string>, 'has'>
}): string | null {
  const held = heldByLastListing(doubt.evidence)
  if (verdict === 'void') {
    if (held.length > 0) return `CloudDC holds instances of this attempt: ${held.join(', ')}`
    const named = doubt.named.filter((id) => !known.has(id))
    return named.length === 0 ? null : `CloudDC's answer named instances: ${named.join(', ')}`
  }
  const adopted = new Set(verdict.adopt)
  if (adopted.size === 0) return 'no instance to adopt'
  if (adopted.size > doubt.maxCount) return `the request asks for ${doubt.maxCount} instances at most`
  const taken = [...adopted].find((id) => known.has(id))
  if (taken !== undefined) return `instance ${taken} belongs to another request`
  const left = held.filter((id) => !adopted.has(id))
  return left.length === 0 ? null : `CloudDC holds further instances of this attempt: ${left.join(', ')}`
}
