import { type DueAudits, endAudits } from '../attempt/due-audits.sql.ts'
import { findOwners } from '../attempt/find-owners.sql.ts'
import type { createForeignInstallations } from '../attempt/foreign-installations.ts'
import type { Installation } from '../attempt/installation.ts'
import { addLook, foundBy, timeAfter } from '../attempt/look-evidence.ts'
import { relevanceTo, type SearchTarget, soughtOf } from '../attempt/matching.ts'
import type { OpenDoubt } from '../attempt/open-doubt.ts'
import { recordLooks } from '../attempt/record-looks.sql.ts'
import type { createUnexpectedInstances } from '../attempt/unexpected-instances.ts'
import type { createVerdictRecorder } from '../attempt/verdict-recorder.ts'
import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfFailedReading, UNAUTHORIZED } from '../budget/call-effect.ts'
import type { Lateness } from '../budget/lateness.ts'
import { NotPaidError } from '../budget/paid-reading.ts'
import type { PayingCredentials } from '../budget/paying-credentials.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcAccessError, CloudDcError, CloudDcThrottledError } from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import type { OutageLog } from '../runtime/outage-log.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ListingPace } from './listing-pace.ts'
import { ListingOverdueError, listProject, type ProjectListing } from './project-listing.ts'

const FAILED = { minMs: 500, maxMs: 30_000 }

/** Doubts and audits of one project that one listing serves. */
export interface ProjectClaim {
  projectId: string
  doubts: OpenDoubt[]
  audits: DueAudits | null
  /** performance.now() when the claim was known: no earlier than the ages in it. */
  claimedAt: number
}

export interface LookContext {
  database: Database
  client: Pick<CloudDcClient, 'listAllInstances' | 'listInstances'>
  /** How long an attempt without an answer is looked for before it counts as not created. */
  settleMs: number
  /** How far a claim moves its doubts on. */
  moveOnMs: number
  pace: ListingPace
  lateness: Lateness
  credentials: PayingCredentials
  /** Whether a 429 lowers the rate of its project. */
  adaptive?: boolean | undefined
  installation: Installation
  tellOfForeign: ReturnType<typeof createForeignInstallations>
  recordVerdicts: ReturnType<typeof createVerdictRecorder>
  storeUnexpected: ReturnType<typeof createUnexpectedInstances>
  /** Called with the keys (`project/request`) of requests that unexpected instances were stored for. */
  onEvents?: (keys: readonly string[]) => void
  outage: OutageLog
  metrics: Metrics
  /** Ends the looks. */
  signal: AbortSignal
}

/**
 * Looks once for all that the claim is about, and sets the time of the next look where this one failed. Never
 * rejects.
 */
export async function lookAtProject(context: LookContext, claim: ProjectClaim): Promise<void> {
  const { pace, outage, signal, moveOnMs } = context
  try {
    await look(context, claim)
  } catch (error) {
    // The claim has moved the doubts on so far.
    pace.postpone(claim.projectId, moveOnMs)
    // A closed bucket is logged elsewhere.
    if (signal.aborted || error instanceof NotPaidError) return
    outage.failed(error)
    // Otherwise it was the database.
    if (!(error instanceof CloudDcError)) return
    await postpone(context, claim, error).catch((failure: unknown) => outage.failed(failure))
  }
}

async function look(context: LookContext, claim: ProjectClaim): Promise<void> {
  const { database, pace, recordVerdicts, storeUnexpected, onEvents, outage, metrics } = context
  const { projectId } = claim
  const installation = await context.installation()
  const sought = new Map(claim.doubts.map((doubt) => [doubt, soughtOf(doubt, installation)]))
  const listing = await listFor(context, claim, { sought, installation })
  metrics.reconcile.listings.inc({ result: 'ok' })
  pace.listed(projectId, listing)
  outage.recovered()
  reached('reconcile.listed')

  const ids = new Set(listing.instances.map((instance) => instance.id))
  for (const { named } of sought.values()) for (const id of named) ids.add(id)
  const known = await findOwners(database.throughPrisma, projectId, [...ids])
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

function listFor(
  context: LookContext,
  { projectId, doubts, claimedAt }: ProjectClaim,
  { sought, installation }: { sought: ReadonlyMap<OpenDoubt, SearchTarget>; installation: string },
): Promise<ProjectListing> {
  const { database, client, settleMs, pace, tellOfForeign, lateness, credentials, metrics, signal } = context
  const isRelevant = relevanceTo([...sought.values()], installation)
  return listProject({
    database,
    client,
    projectId,
    keep: (instance) => {
      tellOfForeign(projectId, instance, installation)
      return isRelevant(instance)
    },
    limitMs: pace.limitMs(projectId),
    // Instances of selected servers are asked for in both ways before their absence is believed.
    serverIds: (beganAt) => {
      const settled = doubts.filter((doubt) => doubt.ageMs + beganAt - claimedAt >= settleMs)
      return [...new Set(settled.flatMap((doubt) => sought.get(doubt)?.servers ?? []))]
    },
    lateness,
    credentials,
    signal,
    onToken: () => metrics.dispatch.tokensTaken.inc(),
  })
}

/** Sets the next look after a failed listing; what failed is kept, though it proves nothing. */
async function postpone(context: LookContext, claim: ProjectClaim, error: CloudDcError): Promise<void> {
  const { database, pace, adaptive, metrics } = context
  const { projectId, doubts, claimedAt } = claim
  metrics.reconcile.listings.inc({ result: 'failed' })
  const count = pace.failed(projectId, { overran: error instanceof ListingOverdueError })
  if (error instanceof CloudDcThrottledError) metrics.dispatch.throttled.inc({ call: 'list_instances' })
  const effect = effectOfFailedReading(error, { projectId, troubles: count - 1, adaptive })
  if (effect !== null) await applyCallResults(database, [effect])
  const needsPerson = error instanceof CloudDcAccessError || !error.retryable
  const lookInMs = jitteredBackoff(count, needsPerson ? UNAUTHORIZED : FAILED)
  pace.postpone(projectId, lookInMs)
  await recordLooks(
    database.throughPrisma,
    doubts.map((doubt) => {
      const afterMs = Math.round(doubt.ageMs + performance.now() - claimedAt)
      const failedLook = {
        at: timeAfter(doubt, afterMs),
        after_ms: afterMs,
        error: error.code ?? error.name,
      }
      const found = foundBy(addLook(doubt.evidence, failedLook))
      return { doubt, found, listingsWithout: doubt.listingsWithout, lookInMs }
    }),
  )
}
