import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { applyCallResults, type BucketEffect } from '../budget/apply-call-results.sql.ts'
import type { Database } from '../database/database.ts'
import { isRejected, isRetryable } from '../database/errors.ts'
import { isTerminal } from '../request/provision-request.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type PollTimes, type SettledAttempt, type SettleRow, settleAttempts } from './settle-attempts.sql.ts'

/** Under load, outcomes of so many milliseconds are recorded together: a statement's fixed cost is its largest. */
const GATHER_MS = 25
/** Where fewer are recorded at once, none waits. */
const GATHER_AFTER = 8

/** A claim whose requests are being carried out. */
export interface OpenClaim {
  readonly id: string
  /** How many of them have no recorded outcome yet; the recorder counts down. */
  unsettled: number
}

export interface Settlement {
  projectId: string
  row: SettleRow
  bucket: BucketEffect | null
  /** The claim that the attempt was made under. */
  claim: OpenClaim
}

export interface OutcomeRecorder {
  /** Resolves once committed; false when another replica had settled the attempt before. */
  record(settlement: Settlement): Promise<boolean>
  drained(): Promise<void>
}

export interface OutcomeRecorderOptions {
  database: Database
  pollTimes: PollTimes
  metrics: Pick<Metrics, 'dispatch' | 'requests'>
  logger: Logger
  /** Called after each commit. */
  onRecorded: (settled: readonly SettledAttempt[]) => void
  /** Ends the wait for an unreachable database; what is not recorded by then is rescued by lease. */
  signal: AbortSignal
}

/**
 * Records outcomes, those that come while the record before them is under way together, in one transaction. The record of
 * a claim's last outcome removes the claim.
 */
export function createOutcomeRecorder(options: OutcomeRecorderOptions): OutcomeRecorder {
  const { database, pollTimes, metrics, logger, onRecorded, signal } = options
  const outage = createOutageLog({ logger, subject: 'recording of outcomes' })

  const commit = async (settlements: readonly Settlement[]): Promise<SettledAttempt[]> => {
    const rows = settlements.map((settlement) => settlement.row)
    const ended = endedWith(settlements)
    if (settlements.every(({ bucket }) => bucket === null))
      return settleAttempts(database, rows, pollTimes, ended)
    return database.transaction(async (sql) => {
      const settled = await settleAttempts(sql, rows, pollTimes, ended)
      // What another replica has settled, or this recorder before the answer to its commit was lost, is counted there.
      const keys = new Set(settled.map(keyOf))
      const counted = settlements.filter(({ row }) => keys.has(keyOf(row)))
      await applyCallResults(sql, oneEffectPerProject(counted))
      return settled
    })
  }

  const commitWithRetries = async (settlements: readonly Settlement[]): Promise<boolean[]> => {
    for (let failures = 0; ; ) {
      try {
        const startedAt = performance.now()
        const settled = await commit(settlements)
        metrics.dispatch.recordSeconds.observe((performance.now() - startedAt) / 1000)
        outage.recovered()
        for (const { claim } of settlements) claim.unsettled -= 1
        onRecorded(settled)
        const keys = new Set(settled.map(keyOf))
        const tookEffect = settlements.map(({ row }) => keys.has(keyOf(row)))
        const ended = settlements.filter(({ row }, at) => tookEffect[at] && isTerminal(row.to))
        for (const { row } of ended) metrics.requests.ended.inc({ state: row.to })
        const stale = settlements.length - settled.length
        if (stale > 0) logger.warn({ attempts: stale }, 'outcomes came too late: settled by another replica')
        return tookEffect
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
    // One at a time: two could not tell which of them brings the last outcome of a claim.
    concurrency: 1,
    gatherMs: GATHER_MS,
    gatherAfter: GATHER_AFTER,
    flush: (settlements) => writeInHalves(settlements, commitWithRetries, isRejected),
  })

  return { record: async (settlement) => resultOf(await batcher.add(settlement)), drained: batcher.drained }
}

function keyOf({ id, attempt }: { id: string; attempt: number }): string {
  return `${id}.${attempt}`
}

/** The claims of which nothing is left once these are recorded. */
function endedWith(settlements: readonly Settlement[]): string[] {
  const byClaim = Map.groupBy(settlements, ({ claim }) => claim)
  return [...byClaim].filter(([claim, own]) => claim.unsettled === own.length).map(([{ id }]) => id)
}

/**
 * Several calls of one project may end together: the gravest effect counts, the longest block first. If one of them
 * created something, the upstream is reachable, and a missing answer is the trouble of its request alone.
 */
export function oneEffectPerProject(settlements: readonly Settlement[]): BucketEffect[] {
  const created = new Set(
    settlements.filter(({ row }) => row.change.outcome === 'created').map(({ projectId }) => projectId),
  )
  const byProject = new Map<string, BucketEffect>()
  for (const { bucket: own, row } of settlements) {
    const bucket = own !== null && created.has(own.projectId) && saysUnavailable(own) ? workOf(own, row) : own
    if (bucket === null) continue
    const known = byProject.get(bucket.projectId)
    const gravest = known === undefined || gravity(bucket) > gravity(known) ? bucket : known
    const refunds = [...(known?.refunds ?? []), ...(bucket.refunds ?? [])]
    byProject.set(bucket.projectId, refunds.length === 0 ? gravest : { ...gravest, refunds })
  }
  return [...byProject.values()]
}

/** What is left of an effect that does not count: a request that went back into the queue is work. */
function workOf({ projectId }: BucketEffect, { to }: SettleRow): BucketEffect | null {
  return to === 'queued' ? { projectId, effect: 'work', blockMs: null, reason: null } : null
}

/** A call that brought no answer, or did not get through. */
function saysUnavailable({ effect, reason }: BucketEffect): boolean {
  return effect === 'trouble' && (reason === null || reason === 'upstream_unavailable')
}

function gravity(effect: BucketEffect): number {
  if (effect.effect === 'trouble') return 3 + (effect.blockMs ?? 0)
  return effect.effect === 'clear' ? 2 : 1
}
