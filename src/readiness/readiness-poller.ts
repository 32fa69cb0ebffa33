import type { Logger } from 'pino'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcThrottledError, CloudDcUnauthorizedError } from '../clouddc/errors.ts'
import { jitteredBackoff } from '../runtime/backoff.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { type FaultPoint, noFaultPoint } from '../runtime/fault-point.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { createLoop, type Loop } from '../runtime/run-loop.ts'
import type { Database } from '../store/database.ts'
import { type ClaimedInstance, claimInstances } from '../store/sql/claim-instances.ts'
import type { ObservationRow } from '../store/sql/record-observations.ts'
import { type BucketEffect, settleBuckets } from '../store/sql/settle-buckets.ts'
import { takeTokens } from '../store/sql/take-tokens.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { observe, type ReadinessLimits, type Sighting } from './observation.ts'
import { pollIntervals } from './poll-schedule.ts'
import { recordReadiness } from './readiness-recorder.ts'

/** ListInstances takes at most 100 ids (clouddc-api.md 3.2). */
const IDS_PER_CALL = 100
/** Instances per claim: what one pass can ask for at once. */
const CLAIM_LIMIT = 2000
/** Answers that one transaction records, and how long it gathers them under load, in milliseconds. */
const RECORDS_AT_ONCE = 10
const GATHER_MS = 5

export interface ReadinessPollerOptions {
  database: Database
  client: CloudDcClient
  pollMinMs: number
  pollMaxMs: number
  limits: ReadinessLimits
  /** 0..1 of the call budget. */
  readinessShare: number
  metrics: Metrics
  logger: Logger
  /** Called after each commit that wrote events. */
  onEvents: (requestKeys: readonly string[]) => void
  faultPoint?: FaultPoint
}

/** Claims instances whose poll is due, asks CloudDC for up to 100 of a project per call, and records what it says. */
export function createReadinessPoller(options: ReadinessPollerOptions): Loop {
  const { database, client, limits, readinessShare, metrics, logger, onEvents } = options
  const faultPoint = options.faultPoint ?? noFaultPoint
  const intervalsMs = pollIntervals({ minMs: options.pollMinMs, maxMs: options.pollMaxMs })
  const putOffMs = Math.min(1000, options.pollMinMs)
  const outage = createOutageLog({ logger, subject: 'readiness polling' })

  const measured = async <Answer>(call: 'list' | 'status', ask: () => Promise<Answer>): Promise<Answer> => {
    const startedAt = performance.now()
    let result = 'ok'
    try {
      return await ask()
    } catch (error) {
      result = error instanceof CloudDcThrottledError ? 'throttled' : 'failed'
      throw error
    } finally {
      metrics.readiness.calls.inc({ call, result })
      metrics.readiness.callSeconds.observe({ call }, (performance.now() - startedAt) / 1000)
    }
  }

  /** Asks one by one for instances the listing left out; what no token is left for stays for the next poll. */
  const askSingly = async (projectId: string, missing: readonly ClaimedInstance[]) => {
    const sightings = new Map<string, Sighting>()
    const granted =
      missing.length === 0
        ? 0
        : await takeTokens(database, {
            projectId,
            wanted: Math.min(missing.length, 10),
            share: readinessShare,
          })
    for (const { id } of missing.slice(0, granted)) {
      const status = await measured('status', () => client.showInstanceStatus({ projectId, instanceId: id }))
      sightings.set(id, status === 'not_found' ? status : { name: null, serverId: null, ...status })
    }
    return sightings
  }

  const record = createBatcher<readonly ObservationRow[], void>({
    maxSize: RECORDS_AT_ONCE,
    concurrency: 2,
    gatherMs: GATHER_MS,
    flush: async (polls) => {
      const { ended, changed } = await recordReadiness(database, polls.flat())
      faultPoint('readiness.recorded')
      for (const { state, ageMs } of ended) {
        metrics.readiness.instances.inc({ result: state })
        metrics.readiness.provisioningSeconds.observe({ result: state }, ageMs / 1000)
      }
      if (changed.length > 0) onEvents(changed)
      return polls.map(() => undefined)
    },
  })

  const poll = async (projectId: string, claimed: readonly ClaimedInstance[]): Promise<void> => {
    const instanceIds = claimed.map(({ id }) => id)
    const page = await measured('list', () => client.listInstances({ projectId, instanceIds }))
    const sightings = new Map<string, Sighting>(page.instances.map((instance) => [instance.id, instance]))
    const missing = claimed.filter(({ id }) => !sightings.has(id))
    for (const [id, sighting] of await askSingly(projectId, missing)) sightings.set(id, sighting)
    faultPoint('readiness.observed')
    const rows = claimed.flatMap((instance) => {
      const sighting = sightings.get(instance.id)
      return sighting === undefined ? [] : [observe(instance, sighting, limits)]
    })
    await record.add(rows)
  }

  const pollSafely = async (projectId: string, claimed: readonly ClaimedInstance[]): Promise<void> => {
    try {
      await poll(projectId, claimed)
      outage.recovered()
    } catch (error) {
      outage.failed(error)
      const effect = bucketEffectOf(projectId, error)
      if (effect !== null) await settleBuckets(database, [effect])
    }
  }

  return createLoop({
    name: 'readiness poller',
    logger,
    idleMs: Math.min(500, options.pollMinMs),
    runOnce: async () => {
      const { instances, more } = await claimInstances(database, {
        limit: CLAIM_LIMIT,
        intervalsMs,
        idsPerCall: IDS_PER_CALL,
        share: readinessShare,
        putOffMs,
        provisionTimeoutMs: limits.provisionTimeoutMs,
      })
      faultPoint('readiness.claimed')
      metrics.readiness.polls.inc(instances.length)
      await Promise.all(callsFor(instances).map(([projectId, claimed]) => pollSafely(projectId, claimed)))
      return { again: more }
    },
  })
}

/** What a failed poll means for its project's bucket: as for creating (dispatch/retry-policy.ts). */
function bucketEffectOf(projectId: string, error: unknown): BucketEffect | null {
  if (error instanceof CloudDcThrottledError) {
    const blockMs = error.retryAfterMs ?? jitteredBackoff(1, { minMs: 1000, maxMs: 1000 })
    return { projectId, effect: 'trouble', blockMs, reason: 'throttled' }
  }
  // Refused tokens in a row lock an account out.
  if (error instanceof CloudDcUnauthorizedError) {
    return {
      projectId,
      effect: 'trouble',
      blockMs: jitteredBackoff(1, { minMs: 10_000, maxMs: 10_000 }),
      reason: 'unauthorized',
    }
  }
  return null
}

/** Groups instances by project and cuts the groups into calls. */
export function callsFor(instances: readonly ClaimedInstance[]): [projectId: string, ClaimedInstance[]][] {
  const calls: [string, ClaimedInstance[]][] = []
  for (const [projectId, group] of Map.groupBy(instances, (instance) => instance.projectId)) {
    for (let from = 0; from < group.length; from += IDS_PER_CALL) {
      calls.push([projectId, group.slice(from, from + IDS_PER_CALL)])
    }
  }
  return calls
}
