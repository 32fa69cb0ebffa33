import type { Logger } from 'pino'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import type { Database } from '../database/database.ts'
import { isRejected } from '../database/errors.ts'
import { isTerminal } from '../request/provision-request.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { addLook, foundBy, readEvidence, settledEvidence, timeAfter } from './look-evidence.ts'
import { lookGapMs } from './look-schedule.ts'
import { findLookalikes, findNamed, findOwn, type KnownInstances, type SearchTarget } from './matching.ts'
import type { OpenDoubt } from './open-doubt.ts'
import { lockClaimed, type RecordedLook, recordLooks } from './record-looks.sql.ts'
import { type PollTimes, type SettledAttempt, type SettleRow, settleAttempts } from './settle-attempts.sql.ts'
import { judge, type LookMemory, type Verdict } from './verdict.ts'
import { adoptionOf, type SettlementRules, voidOf } from './verdict-settlement.ts'

/** Ids named in evidence and logs. */
const IDS_SHOWN = 20

export interface VerdictRecorderOptions extends SettlementRules {
  database: Database
  pollTimes: PollTimes
  metrics: Pick<Metrics, 'reconcile' | 'requests' | 'invariantViolations'>
  logger: Logger
  onSettled: (settled: readonly SettledAttempt[]) => void
}

/** A complete listing of one project, and the doubts it is held against. */
export interface CompleteListing {
  sought: ReadonlyMap<OpenDoubt, SearchTarget>
  /** The instances that may matter (relevanceTo). */
  instances: readonly UpstreamInstance[]
  /** How many the listing held in all. */
  listed: number
  known: KnownInstances
  /** Milliseconds from the claim to the begin of the listing. */
  elapsedMs: number
}

interface Judged {
  doubt: OpenDoubt
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
 * Judges doubts by a complete listing, and records verdicts with their instances, history and events, and what was seen
 * of the others, in one transaction. Doubts no longer under their claim are left alone.
 */
export function createVerdictRecorder(options: VerdictRecorderOptions) {
  const { database, pollTimes, metrics, logger, onSettled } = options

  const record = async (judged: readonly Judged[]): Promise<readonly Judged[]> => {
    const { current, rows, settled } = await database.transaction(async (sql) => {
      const held = await lockClaimed(
        sql,
        judged.map(({ doubt }) => doubt),
      )
      const current = judged.filter(({ doubt }) => held.has(doubt.id))
      const rows = current.flatMap((one) => settleRowOf(one, options))
      const settled = rows.length === 0 ? [] : await settleAttempts(sql, rows, pollTimes)
      await recordLooks(
        sql,
        current.flatMap((one) => lookRowOf(one, options)),
      )
      return { current, rows, settled }
    })
    const ids = new Set(settled.map(({ id }) => id))
    const ended = rows.filter(({ id, to }) => ids.has(id) && isTerminal(to))
    for (const { to } of ended) metrics.requests.ended.inc({ state: to })
    tell(current)
    if (settled.length > 0) onSettled(settled)
    return judged
  }

  return async (listing: CompleteListing): Promise<void> => {
    if (listing.sought.size === 0) return
    // What one attempt is given, the next one cannot have: two answers may have named the same instance.
    const known = new Map(listing.known)
    const judged = [...listing.sought].map(([doubt, sought]) => {
      const one = judgeOne(doubt, sought, { ...listing, known }, options.settleMs)
      if (one.verdict.kind === 'adopt') for (const id of one.verdict.instanceIds) known.set(id, doubt.key)
      return one
    })
    const results = await writeInHalves(judged, record, isRejected)
    results.forEach(resultOf)
  }

  function tell(judged: readonly Judged[]): void {
    let adopted = 0
    let voided = 0
    for (const { doubt, verdict, beganMs, alarm, sought, lookalikes } of judged) {
      const { projectId, requestId, key: attemptId } = doubt
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
      logger.info({ projectId: judged[0]?.doubt.projectId, adopted, void: voided }, 'reconciled attempts')
    }
  }
}

function judgeOne(
  doubt: OpenDoubt,
  sought: SearchTarget,
  { instances, listed, known, elapsedMs }: CompleteListing,
  settleMs: number,
): Judged {
  const beganMs = doubt.ageMs + Math.max(0, elapsedMs)
  const own = findOwn(sought, instances, known).map(({ id }) => id)
  const lookalikes =
    sought.written.place === 'none' ? findLookalikes(sought, instances, known).map(({ id }) => id) : []
  const { alarmed, ...earlier } = readEvidence(doubt.evidence)
  const { verdict, memory } = judge(
    { ...earlier, listingsWithout: doubt.listingsWithout },
    { beganMs, own, lookalikes, named: findNamed(sought, instances, known) },
    { ...sought, place: sought.written.place, settleMs },
  )
  const alarm = verdict.kind === 'manual' && !alarmed
  const evidence = addLook(
    doubt.evidence,
    {
      at: timeAfter(doubt, beganMs),
      after_ms: Math.round(beganMs),
      listed,
      found: own.length,
      ...(lookalikes.length > 0 ? { lookalikes: lookalikes.slice(0, IDS_SHOWN) } : {}),
      verdict: verdict.kind,
    },
    { found: [...memory.found], agreed: memory.agreed, ...(alarm ? { alarmed: true } : {}) },
  )
  return { doubt, sought, verdict, memory, beganMs, evidence, lookalikes, alarm }
}

function settleRowOf(one: Judged, rules: SettlementRules): SettleRow[] {
  const { doubt, verdict, memory } = one
  const evidence = settledEvidence(one.evidence, memory.listingsWithout)
  switch (verdict.kind) {
    case 'adopt':
      return [adoptionOf(doubt, { instanceIds: verdict.instanceIds, evidence }, rules)]
    case 'void':
      return [voidOf(doubt, { evidence }, rules)]
    default:
      return []
  }
}

function lookRowOf(one: Judged, { settleMs }: SettlementRules): RecordedLook[] {
  const { doubt, verdict, memory, evidence, beganMs } = one
  if (verdict.kind === 'adopt' || verdict.kind === 'void') return []
  return [
    {
      doubt,
      found: foundBy(evidence),
      listingsWithout: memory.listingsWithout,
      lookInMs: lookGapMs(beganMs, settleMs, { manual: verdict.kind === 'manual' }),
    },
  ]
}
