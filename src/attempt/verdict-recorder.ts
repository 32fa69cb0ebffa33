import type { Logger } from 'pino'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import type { Database } from '../database/database.ts'
import { isRejected } from '../database/errors.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { UncertainAttempt } from './claim-uncertain.sql.ts'
import { addLook, readEvidence, timeAfter } from './look-evidence.ts'
import { nextLookMs } from './look-schedule.ts'
import { findLookalikes, findNamed, findOwn, type KnownInstances, type SearchTarget } from './matching.ts'
import { type LookRow, lockClaimed, recordLooks } from './record-looks.sql.ts'
import { type SettleRow, settleAttempts } from './settle-attempts.sql.ts'
import { judge, type LookMemory, type Verdict } from './verdict.ts'
import { adoptionOf, type SettlementRules, voidOf } from './verdict-settlement.ts'

/** Ids named in evidence and logs. */
const IDS_SHOWN = 20

export interface VerdictRecorderOptions extends SettlementRules {
  database: Database
  firstPollMs: number
  metrics: Pick<Metrics, 'reconcile' | 'invariantViolations'>
  logger: Logger
  onSettled: (rows: readonly SettleRow[]) => void
}

/** A complete listing of one project, and the attempts it is held against. */
export interface CompleteListing {
  sought: ReadonlyMap<UncertainAttempt, SearchTarget>
  /** The instances that may matter (relevanceTo). */
  instances: readonly UpstreamInstance[]
  /** How many the listing held in all. */
  listed: number
  known: KnownInstances
  /** Milliseconds from the claim to the begin of the listing. */
  elapsedMs: number
}

interface Judged {
  attempt: UncertainAttempt
  sought: SearchTarget
  verdict: Verdict
  memory: LookMemory
  beganMs: number
  evidence: Record<string, unknown>
  lookalikes: readonly string[]
  /** Only a person can resolve it, and the log has not said so yet. */
  alarm: boolean
}

/**
 * Judges the attempts by a complete listing, and records verdicts with their instances, history and events, and what
 * was seen of the others, in one transaction. Attempts no longer under their claim are left alone.
 */
export function createVerdictRecorder(options: VerdictRecorderOptions) {
  const { database, firstPollMs, metrics, logger, onSettled } = options

  const record = async (judged: readonly Judged[]): Promise<readonly Judged[]> => {
    const recorded = await database.transaction(async (sql) => {
      const held = await lockClaimed(
        sql,
        judged.map(({ attempt }) => attempt),
      )
      const current = judged.filter(({ attempt }) => held.has(attempt.attemptId))
      const rows = current.flatMap((one) => settleRowOf(one, options))
      const settled = rows.length === 0 ? [] : await settleAttempts(sql, rows, firstPollMs)
      await recordLooks(
        sql,
        current.flatMap((one) => lookRowOf(one, options)),
      )
      const ids = new Set(settled.map((row) => row.attemptId))
      return { current, rows: rows.filter((row) => ids.has(row.attemptId)) }
    })
    tell(recorded.current)
    if (recorded.rows.length > 0) onSettled(recorded.rows)
    return judged
  }

  return async (listing: CompleteListing): Promise<void> => {
    if (listing.sought.size === 0) return
    // What one attempt is given, the next one cannot have: two answers may have named the same instance.
    const known = new Map(listing.known)
    const judged = [...listing.sought].map(([attempt, sought]) => {
      const one = judgeOne(attempt, sought, { ...listing, known }, options.settleMs)
      if (one.verdict.kind === 'adopt')
        for (const id of one.verdict.instanceIds) known.set(id, attempt.attemptId)
      return one
    })
    const results = await writeInHalves(judged, record, isRejected)
    results.forEach(resultOf)
  }

  function tell(judged: readonly Judged[]): void {
    let adopted = 0
    let voided = 0
    for (const { attempt, verdict, beganMs, alarm, sought, lookalikes } of judged) {
      const { projectId, requestId, attemptId } = attempt
      const facts = { projectId, requestId, attemptId }
      if (verdict.kind === 'adopt' || verdict.kind === 'void') {
        const kind = verdict.kind === 'adopt' ? 'adopted' : 'void'
        metrics.reconcile.resolved.inc({ kind })
        metrics.reconcile.seconds.observe({ kind }, beganMs / 1000)
        if (kind === 'adopted') adopted += 1
        else voided += 1
      }
      if (verdict.kind === 'adopt' && verdict.excess > 0) {
        metrics.reconcile.unexpectedInstances.inc(verdict.excess)
        metrics.invariantViolations.inc({ invariant: 'duplicate' })
        logger.error(
          { ...facts, instances: verdict.instanceIds.length, expected: sought.expected },
          'adopted more instances than the call could have created',
        )
      }
      if (verdict.kind === 'adopt' && verdict.instanceIds.length < sought.least) {
        logger.error(
          { ...facts, instances: verdict.instanceIds.length, minimum: sought.least },
          'adopted fewer instances than CloudDC promises',
        )
      }
      if (alarm) {
        metrics.invariantViolations.inc({ invariant: 'stuck' })
        logger.error(
          { ...facts, lookalikes: lookalikes.slice(0, IDS_SHOWN) },
          'an attempt without a marker can only be resolved by hand: see docs/operations.md',
        )
      }
    }
    if (adopted + voided > 0) {
      logger.info({ projectId: judged[0]?.attempt.projectId, adopted, void: voided }, 'reconciled attempts')
    }
  }
}

function judgeOne(
  attempt: UncertainAttempt,
  sought: SearchTarget,
  { instances, listed, known, elapsedMs }: CompleteListing,
  settleMs: number,
): Judged {
  const beganMs = attempt.ageMs + Math.max(0, elapsedMs)
  const own = findOwn(sought, instances, known).map(({ id }) => id)
  const lookalikes =
    sought.place === 'none' ? findLookalikes(sought, instances, known).map(({ id }) => id) : []
  const { alarmed, ...earlier } = readEvidence(attempt.evidence)
  const { verdict, memory } = judge(
    { ...earlier, listingsWithout: attempt.listingsWithout },
    { beganMs, own, lookalikes, named: findNamed(sought, instances, known) },
    { ...sought, settleMs },
  )
  const alarm = verdict.kind === 'manual' && !alarmed
  const evidence = addLook(
    attempt.evidence,
    {
      at: timeAfter(attempt, beganMs),
      after_ms: Math.round(beganMs),
      listed,
      found: own.length,
      ...(lookalikes.length > 0 ? { lookalikes: lookalikes.slice(0, IDS_SHOWN) } : {}),
      verdict: verdict.kind,
    },
    { found: [...memory.found], agreed: memory.agreed, ...(alarm ? { alarmed: true } : {}) },
  )
  return { attempt, sought, verdict, memory, beganMs, evidence, lookalikes, alarm }
}

function settleRowOf({ attempt, verdict, memory, evidence }: Judged, rules: SettlementRules): SettleRow[] {
  switch (verdict.kind) {
    case 'adopt':
      return [adoptionOf(attempt, { instanceIds: verdict.instanceIds, evidence }, rules)]
    case 'void':
      return [voidOf(attempt, { listingsWithout: memory.listingsWithout, evidence }, rules)]
    default:
      return []
  }
}

function lookRowOf(one: Judged, { settleMs }: SettlementRules): LookRow[] {
  const { attempt, verdict, memory, evidence, beganMs } = one
  if (verdict.kind === 'adopt' || verdict.kind === 'void') return []
  return [
    {
      attemptId: attempt.attemptId,
      claim: attempt.claim,
      evidence,
      listingsWithout: memory.listingsWithout,
      lookInMs: nextLookMs(beganMs, settleMs, { manual: verdict.kind === 'manual' }),
    },
  ]
}
