import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { applyCallResults, type BucketEffect } from '../budget/apply-call-results.sql.ts'
import type { Database } from '../database/database.ts'
import { isRejected, isRetryable } from '../database/errors.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type SettleRow, settleAttempts } from './settle-attempts.sql.ts'

/** Under load, outcomes of so many milliseconds are recorded together. */
const GATHER_MS = 5

export interface Settlement {
  projectId: string
  row: SettleRow
  bucket: BucketEffect | null
}

export interface OutcomeRecorder {
  /** Resolves once committed; false when another replica had settled the attempt before. */
  record(settlement: Settlement): Promise<boolean>
  drained(): Promise<void>
}

export interface OutcomeRecorderOptions {
  database: Database
  firstPollMs: number
  metrics: Pick<Metrics, 'dispatch'>
  logger: Logger
  /** Called after each commit. */
  onRecorded: (rows: readonly SettleRow[]) => void
  /** Ends the wait for an unreachable database; what is not recorded by then is rescued by lease. */
  signal: AbortSignal
}

/** Records outcomes with their events, those that finish at the same moment together, in one transaction. */
export function createOutcomeRecorder(options: OutcomeRecorderOptions): OutcomeRecorder {
  const { database, firstPollMs, metrics, logger, onRecorded, signal } = options
  const outage = createOutageLog({ logger, subject: 'recording of outcomes' })

  const commit = async (settlements: readonly Settlement[]): Promise<Set<string>> => {
    const rows = settlements.map((settlement) => settlement.row)
    const settled = settlements.every(({ bucket }) => bucket === null)
      ? await settleAttempts(database, rows, firstPollMs)
      : await database.transaction(async (sql) => {
          const done = await settleAttempts(sql, rows, firstPollMs)
          // What another replica has settled, or this recorder before the answer to its commit was lost, is counted
          // there.
          const ids = new Set(done.map((row) => row.attemptId))
          await applyCallResults(
            sql,
            oneEffectPerProject(settlements.filter(({ row }) => ids.has(row.attemptId))),
          )
          return done
        })
    return new Set(settled.map((row) => row.attemptId))
  }

  const commitPatiently = async (settlements: readonly Settlement[]): Promise<boolean[]> => {
    for (let failures = 0; ; ) {
      try {
        const startedAt = performance.now()
        // By the time of a second try, others may have spent what the bucket has taken in meanwhile.
        const settled = await commit(failures === 0 ? settlements : settlements.map(withoutRefund))
        metrics.dispatch.recordSeconds.observe((performance.now() - startedAt) / 1000)
        outage.recovered()
        onRecorded(settlements.map((settlement) => settlement.row))
        const verdicts = settlements.map(({ row }) => settled.has(row.attemptId))
        const stale = verdicts.filter((settledNow) => !settledNow).length
        if (stale > 0) logger.warn({ attempts: stale }, 'outcomes came too late: settled by another replica')
        return verdicts
      } catch (error) {
        if (signal.aborted || !isRetryable(error)) throw error
        failures += 1
        outage.failed(error)
        await sleep(jitteredBackoff(failures, { minMs: 50, maxMs: 2000 }), undefined, { signal })
      }
    }
  }

  const batcher = createBatcher<Settlement, PromiseSettledResult<boolean>>({
    maxSize: 200,
    concurrency: 2,
    gatherMs: GATHER_MS,
    flush: (settlements) => writeInHalves(settlements, commitPatiently, isRejected),
  })

  return { record: async (settlement) => resultOf(await batcher.add(settlement)), drained: batcher.drained }
}

function withoutRefund(settlement: Settlement): Settlement {
  return settlement.bucket === null
    ? settlement
    : { ...settlement, bucket: { ...settlement.bucket, refund: 0 } }
}

/**
 * Several calls of one project may end together: the gravest effect counts, the longest block first. If one of them
 * created something, the upstream is reachable, and a missing answer is the trouble of its request alone.
 */
export function oneEffectPerProject(settlements: readonly Settlement[]): BucketEffect[] {
  const created = new Set(
    settlements.filter(({ row }) => row.to === 'created').map(({ projectId }) => projectId),
  )
  const byProject = new Map<string, BucketEffect>()
  for (const { bucket } of settlements) {
    if (bucket === null || (created.has(bucket.projectId) && saysUnavailable(bucket))) continue
    const known = byProject.get(bucket.projectId)
    const gravest = known === undefined || gravity(bucket) > gravity(known) ? bucket : known
    const refund = (known?.refund ?? 0) + (bucket.refund ?? 0)
    byProject.set(bucket.projectId, refund === 0 ? gravest : { ...gravest, refund })
  }
  return [...byProject.values()]
}

/** A call that brought no answer, or did not get through. */
function saysUnavailable({ effect, reason }: BucketEffect): boolean {
  return effect === 'trouble' && (reason === null || reason === 'upstream_unavailable')
}

function gravity(effect: BucketEffect): number {
  if (effect.effect === 'trouble') return 3 + (effect.blockMs ?? 0)
  return effect.effect === 'clear' ? 2 : 1
}
