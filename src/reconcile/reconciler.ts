import type { Logger } from 'pino'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcAccessError, CloudDcError, CloudDcThrottledError } from '../clouddc/errors.ts'
import { createArrivalGuard } from '../dispatch/arrival-guard.ts'
import { effectOfFailedReading, UNAUTHORIZED } from '../dispatch/retry-policy.ts'
import type { Replica } from '../replica/replica.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { createStaleGuard } from '../runtime/stale-guard.ts'
import { reached } from '../runtime/steps.ts'
import type { Database } from '../store/database.ts'
import {
  claimAudits,
  claimUncertain,
  endAudits,
  type UncertainAttempt,
} from '../store/sql/claim-uncertain.ts'
import { recordLooks } from '../store/sql/record-looks.ts'
import type { SettleRow } from '../store/sql/settle-attempts.ts'
import { settleBuckets } from '../store/sql/settle-buckets.ts'
import { findOwners } from '../store/sql/unexpected-instances.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { addLook, timeAfter } from './look-evidence.ts'
import { relevantInstances, soughtOf } from './matching.ts'
import { BucketClosedError, listProject, type ProjectListing } from './project-listing.ts'
import { createUnexpectedInstances } from './unexpected-instances.ts'
import { createVerdictRecorder } from './verdict-recorder.ts'

/** How soon an attempt that another replica left uncertain is noticed. */
const IDLE_MS = 250
const DUTY_LEASE_MS = 5000
const DUTY_RENEW_MS = 1000
/** Projects looked at side by side. */
const MAX_LOOKS = 64
const AUDITS_PER_CLAIM = 1000
/** Listings take at most this part of a project's call budget, unless they are rarer than MAX_REST_MS. */
const BUDGET_PART = 0.1
const MAX_REST_MS = 5000
const FAILED = { minMs: 500, maxMs: 30_000 }

export interface ReconcilerOptions {
  database: Database
  client: Pick<CloudDcClient, 'listAllInstances' | 'listInstances'>
  replica: Replica
  /** How long an attempt without an answer is looked for before it counts as not created. */
  settleMs: number
  /** Attempts of one request that may have reached CloudDC. */
  maxAttempts: number
  /** From an adoption to its instances' first poll. */
  firstPollMs: number
  /** What a reconciler that dies in the middle of a look costs. */
  intervalMs?: number
  metrics: Metrics
  logger: Logger
  /** Called after each commit that settled attempts. */
  onSettled: (rows: readonly SettleRow[]) => void
  /** Called with the keys (`project/request`) of requests that unexpected instances were stored for. */
  onEvents?: (keys: readonly string[]) => void
}

/** Uncertain attempts and audits of one project that one listing serves. */
interface ProjectClaim {
  attempts: UncertainAttempt[]
  auditIds: string[]
  /** performance.now() when the claim was known: no earlier than the ages in it. */
  claimedAt: number
}

/**
 * Finds out what calls of unknown outcome came to. Lists a project once, completely, for all its uncertain attempts,
 * and judges each (verdict.ts): adopted as if the 202 had arrived, void and queued again, or looked for once more.
 * A listing that fails proves nothing. One replica at a time has the duty, yet two do no harm: a look is recorded
 * only under the claim it was made for.
 */
export function createReconciler(options: ReconcilerOptions): Loop {
  const { database, client, replica, settleMs, metrics, logger, onEvents } = options
  const moveOnMs = options.intervalMs ?? 5000
  const outage = createOutageLog({ logger, subject: 'reconciling' })
  const storeUnexpected = createUnexpectedInstances(options)
  const recordVerdicts = createVerdictRecorder(options)
  const arrivals = createArrivalGuard()
  const stale = createStaleGuard()
  const looks = new Map<string, Promise<void>>()
  /** By project, performance.now() before which it is left alone, and failed listings in a row. */
  const resting = new Map<string, number>()
  const failures = new Map<string, number>()
  const lookSignal = new AbortController()
  let dutyCheckedAt = Number.NEGATIVE_INFINITY
  let holdsDuty = false

  const onToken = () => metrics.dispatch.tokensTaken.inc()

  const look = async (projectId: string, claim: ProjectClaim): Promise<void> => {
    const sought = new Map(claim.attempts.map((attempt) => [attempt, soughtOf(attempt)]))
    const listing = await listProject({
      database,
      client,
      projectId,
      // What stands on a selected server is asked for in both ways before its absence may be believed.
      serverIds: (beganAt) => {
        const settled = claim.attempts.filter(
          (attempt) => attempt.ageMs + beganAt - claim.claimedAt >= settleMs,
        )
        return [...new Set(settled.flatMap((attempt) => sought.get(attempt)?.servers ?? []))]
      },
      arrivals,
      stale,
      signal: lookSignal.signal,
      onToken,
    })
    metrics.reconcile.listings.inc({ result: 'ok' })
    rest(projectId, listing)
    reached('reconcile.listed')

    const relevant = relevantInstances([...sought.values()], listing.instances)
    const ids = new Set(relevant.map((instance) => instance.id))
    for (const { named } of sought.values()) for (const id of named) ids.add(id)
    const known = await findOwners(database, projectId, [...ids])
    await recordVerdicts({
      sought,
      instances: relevant,
      listed: listing.instances.length,
      known,
      elapsedMs: listing.beganAt - claim.claimedAt,
    })
    reached('reconcile.recorded')

    const keys = await storeUnexpected(projectId, relevant)
    if (keys.length > 0) onEvents?.(keys)
    await endAudits(database, claim.auditIds)
  }

  const rest = (projectId: string, { calls, refillPerSecond }: ProjectListing) => {
    const restMs = Math.min(MAX_REST_MS, (calls / refillPerSecond / BUDGET_PART) * 1000)
    resting.set(projectId, performance.now() + restMs)
    failures.delete(projectId)
    outage.recovered()
  }

  /** The next look after a failed listing; what failed is kept, though it proves nothing. */
  const putOff = async (projectId: string, claim: ProjectClaim, error: CloudDcError): Promise<void> => {
    metrics.reconcile.listings.inc({ result: 'failed' })
    const count = (failures.get(projectId) ?? 0) + 1
    failures.set(projectId, count)
    if (error instanceof CloudDcThrottledError) metrics.dispatch.throttled.inc({ call: 'list_instances' })
    const effect = effectOfFailedReading(projectId, error, count - 1)
    if (effect !== null) await settleBuckets(database, [effect])
    const patient = error instanceof CloudDcAccessError || !error.retryable
    const lookInMs = jitteredBackoff(count, patient ? UNAUTHORIZED : FAILED)
    resting.set(projectId, performance.now() + lookInMs)
    await recordLooks(
      database,
      claim.attempts.map((attempt) => {
        const afterMs = Math.round(attempt.ageMs + performance.now() - claim.claimedAt)
        const look = { at: timeAfter(attempt, afterMs), after_ms: afterMs, error: error.code ?? error.name }
        return {
          attemptId: attempt.attemptId,
          claim: attempt.claim,
          evidence: addLook(attempt.evidence, look),
          listingsWithout: attempt.listingsWithout,
          lookInMs,
        }
      }),
    )
  }

  const lookSafely = async (projectId: string, claim: ProjectClaim): Promise<void> => {
    try {
      await look(projectId, claim)
    } catch (error) {
      // A closed bucket has been told of elsewhere. The claim has moved the attempts on.
      if (lookSignal.signal.aborted || error instanceof BucketClosedError) return
      outage.failed(error)
      // Otherwise it was the database.
      if (!(error instanceof CloudDcError)) return
      await putOff(projectId, claim, error).catch((failure: unknown) => outage.failed(failure))
    }
  }

  const hasDuty = async (): Promise<boolean> => {
    const now = performance.now()
    if (now - dutyCheckedAt >= DUTY_RENEW_MS) {
      holdsDuty = await replica.holdDuty('reconcile', DUTY_LEASE_MS)
      dutyCheckedAt = now
    }
    return holdsDuty
  }

  const claim = async (): Promise<Map<string, ProjectClaim>> => {
    const now = performance.now()
    for (const [projectId, until] of resting) if (until <= now) resting.delete(projectId)
    const exceptProjects = [...new Set([...looks.keys(), ...resting.keys()])]
    const maxProjects = MAX_LOOKS - looks.size
    const attempts = await claimUncertain(database, { exceptProjects, maxProjects, moveOnMs })
    const audits = await claimAudits(database, { exceptProjects, limit: AUDITS_PER_CLAIM, moveOnMs })
    const claimedAt = performance.now()
    const claims = new Map<string, ProjectClaim>()
    const claimOf = (projectId: string): ProjectClaim => {
      const existing = claims.get(projectId)
      if (existing !== undefined) return existing
      const created: ProjectClaim = { attempts: [], auditIds: [], claimedAt }
      claims.set(projectId, created)
      return created
    }
    for (const attempt of attempts) claimOf(attempt.projectId).attempts.push(attempt)
    for (const audit of audits) claimOf(audit.projectId).auditIds.push(audit.attemptId)
    return claims
  }

  const loop = createLoop({
    name: 'reconciler',
    logger,
    idleMs: IDLE_MS,
    runOnce: async () => {
      if (!(await hasDuty()) || looks.size >= MAX_LOOKS) return { again: false }
      for (const [projectId, projectClaim] of await claim()) {
        const running = lookSafely(projectId, projectClaim).finally(() => looks.delete(projectId))
        looks.set(projectId, running)
      }
      return { again: false }
    },
    onStop: async () => {
      await Promise.all(looks.values())
    },
  })
  return {
    ...loop,
    stop: () => {
      lookSignal.abort()
      return loop.stop()
    },
  }
}
