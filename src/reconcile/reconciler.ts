import type { Logger } from 'pino'
import { claimUncertain, type UncertainAttempt } from '../attempt/claim-uncertain.sql.ts'
import { type DueAudits, endAudits, findDueAudits } from '../attempt/due-audits.sql.ts'
import { addLook, timeAfter } from '../attempt/look-evidence.ts'
import { relevanceTo, soughtOf } from '../attempt/matching.ts'
import { recordLooks } from '../attempt/record-looks.sql.ts'
import type { SettleRow } from '../attempt/settle-attempts.sql.ts'
import { findOwners } from '../attempt/unexpected-instances.sql.ts'
import { createUnexpectedInstances } from '../attempt/unexpected-instances.ts'
import { createVerdictRecorder } from '../attempt/verdict-recorder.ts'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { createArrivalGuard } from '../budget/arrival-guard.ts'
import { effectOfFailedReading, UNAUTHORIZED } from '../budget/call-effect.ts'
import { createStaleGuard } from '../budget/stale-guard.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcAccessError, CloudDcError, CloudDcThrottledError } from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import type { Replica } from '../replica/replica.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createListingPace } from './listing-pace.ts'
import { BucketClosedError, ListingOverdueError, listProject } from './project-listing.ts'

/** How soon an attempt that another replica left uncertain is noticed. */
const IDLE_MS = 250
const DUTY_LEASE_MS = 5000
const DUTY_RENEW_MS = 1000
/** Projects looked at side by side. */
export const LOOKS_AT_ONCE = 64
/** How often due audits are looked for where nothing else is to be listed. */
const AUDITS_EVERY_MS = 1000
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
  /** Projects looked at side by side. */
  looksAtOnce?: number
  /** How long a project's first look may take; if that was not enough, the next one may take twice as long. */
  lookLimitMs?: number
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
  audits: DueAudits | null
  /** performance.now() when the claim was known: no earlier than the ages in it. */
  claimedAt: number
}

/**
 * Finds out what calls of unknown outcome came to. Lists a project once, completely, for all its uncertain attempts,
 * and judges each (verdict.ts): adopted as if the 202 had arrived, void and queued again, or looked for once more. The
 * same listing serves the audits that are due: it shows instances that no outcome has named.
 * A listing that fails proves nothing. One replica at a time has the duty, yet two do no harm: a look is recorded
 * only under the claim it was made for.
 */
export function createReconciler(options: ReconcilerOptions): Loop {
  const { database, client, replica, settleMs, metrics, logger, onEvents } = options
  const moveOnMs = options.intervalMs ?? 5000
  const looksAtOnce = options.looksAtOnce ?? LOOKS_AT_ONCE
  const outage = createOutageLog({ logger, subject: 'reconciling' })
  const storeUnexpected = createUnexpectedInstances(options)
  const recordVerdicts = createVerdictRecorder(options)
  const arrivals = createArrivalGuard()
  const stale = createStaleGuard()
  const looks = new Map<string, Promise<void>>()
  const pace = createListingPace({ limitMs: options.lookLimitMs })
  let auditsLookedForAt = Number.NEGATIVE_INFINITY
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
      keep: relevanceTo([...sought.values()]),
      limitMs: pace.limitMs(projectId),
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
    pace.listed(projectId, listing)
    outage.recovered()
    reached('reconcile.listed')

    const ids = new Set(listing.instances.map((instance) => instance.id))
    for (const { named } of sought.values()) for (const id of named) ids.add(id)
    const known = await findOwners(database, projectId, [...ids])
    await recordVerdicts({
      sought,
      instances: listing.instances,
      listed: listing.listed,
      known,
      elapsedMs: listing.beganAt - claim.claimedAt,
    })
    reached('reconcile.recorded')

    const keys = await storeUnexpected(projectId, listing.instances)
    if (keys.length > 0) onEvents?.(keys)
    if (claim.audits !== null) await endAudits(database, claim.audits)
  }

  /** The next look after a failed listing; what failed is kept, though it proves nothing. */
  const postpone = async (projectId: string, claim: ProjectClaim, error: CloudDcError): Promise<void> => {
    metrics.reconcile.listings.inc({ result: 'failed' })
    const count = pace.failed(projectId, { overran: error instanceof ListingOverdueError })
    if (error instanceof CloudDcThrottledError) metrics.dispatch.throttled.inc({ call: 'list_instances' })
    const effect = effectOfFailedReading(projectId, error, count - 1)
    if (effect !== null) await applyCallResults(database, [effect])
    const patient = error instanceof CloudDcAccessError || !error.retryable
    const lookInMs = jitteredBackoff(count, patient ? UNAUTHORIZED : FAILED)
    pace.postpone(projectId, lookInMs)
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
      // The claim has moved the attempts on so far.
      pace.postpone(projectId, moveOnMs)
      // A closed bucket has been told of elsewhere.
      if (lookSignal.signal.aborted || error instanceof BucketClosedError) return
      outage.failed(error)
      // Otherwise it was the database.
      if (!(error instanceof CloudDcError)) return
      await postpone(projectId, claim, error).catch((failure: unknown) => outage.failed(failure))
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

  /** Audits that are due, also such that still gather where their project is listed anyway. */
  const dueAudits = async (
    listed: ReadonlySet<string>,
    { exceptProjects, limit }: { exceptProjects: readonly string[]; limit: number },
  ): Promise<DueAudits[]> => {
    const now = performance.now()
    if (listed.size === 0 && now - auditsLookedForAt < AUDITS_EVERY_MS) return []
    auditsLookedForAt = now
    const gathering = pace.gathering().filter((projectId) => !listed.has(projectId))
    return findDueAudits(database, { exceptProjects: [...exceptProjects, ...gathering], limit })
  }

  const claim = async (): Promise<Map<string, ProjectClaim>> => {
    const tooSlow = pace.tooSlow([...looks.keys()], looksAtOnce)
    const exceptProjects = [...new Set([...looks.keys(), ...pace.resting(), ...tooSlow])]
    const maxProjects = looksAtOnce - looks.size
    const attempts = await claimUncertain(database, { exceptProjects, maxProjects, moveOnMs })
    const claimedAt = performance.now()
    const audits = await dueAudits(new Set(attempts.map((attempt) => attempt.projectId)), {
      exceptProjects,
      limit: maxProjects,
    })
    const claims = new Map<string, ProjectClaim>()
    const claimOf = (projectId: string): ProjectClaim => {
      const existing = claims.get(projectId)
      if (existing !== undefined) return existing
      const created: ProjectClaim = { attempts: [], audits: null, claimedAt }
      claims.set(projectId, created)
      return created
    }
    for (const attempt of attempts) claimOf(attempt.projectId).attempts.push(attempt)
    for (const due of audits) claimOf(due.projectId).audits = due
    return claims
  }

  const loop = createLoop({
    name: 'reconciler',
    logger,
    idleMs: IDLE_MS,
    runOnce: async () => {
      if (!(await hasDuty()) || looks.size >= looksAtOnce) return { again: false }
      for (const [projectId, projectClaim] of await claim()) {
        if (pace.tooSlow([...looks.keys()], looksAtOnce).includes(projectId)) {
          pace.postpone(projectId, moveOnMs)
          continue
        }
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
