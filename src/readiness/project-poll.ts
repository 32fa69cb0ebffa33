import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcThrottledError } from '../clouddc/errors.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { type FaultPoint, noFaultPoint } from '../runtime/fault-point.ts'
import type { Database } from '../store/database.ts'
import type { ClaimedInstance } from '../store/sql/claim-instances.ts'
import type { ObservationRow } from '../store/sql/record-observations.ts'
import { settleBuckets } from '../store/sql/settle-buckets.ts'
import { takeTokens } from '../store/sql/take-tokens.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { observe, type ReadinessLimits, type Sighting } from './observation.ts'
import { effectOfFailure, effectOfRecovery } from './poll-effect.ts'
import { recordReadiness } from './readiness-recorder.ts'

/** Instances that one call asks for one by one afterwards, at most. */
const SINGLE_CALLS = 10
/** Answers that one transaction records, and how long it gathers them under load, in milliseconds. */
const RECORDS_AT_ONCE = 10
const GATHER_MS = 5

export interface ProjectPollOptions {
  database: Database
  client: CloudDcClient
  limits: ReadinessLimits
  /** 0..1 of the call budget. */
  readinessShare: number
  metrics: Metrics
  /** Called after each commit that wrote events. */
  onEvents: (requestKeys: readonly string[]) => void
  faultPoint?: FaultPoint
}

/** Asks CloudDC for instances of a project, one call's worth, and records what it says. */
export type ProjectPoll = (projectId: string, claimed: readonly ClaimedInstance[]) => Promise<void>

/** The poll throws the first failure, after it has recorded all that was answered. */
export function createProjectPoll(options: ProjectPollOptions): ProjectPoll {
  const { database, client, limits, readinessShare, metrics, onEvents } = options
  const faultPoint = options.faultPoint ?? noFaultPoint

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

  const recordSightings = (
    claimed: readonly ClaimedInstance[],
    sightings: ReadonlyMap<string, Sighting>,
  ): Promise<void> =>
    record.add(
      claimed.flatMap((instance) => {
        const sighting = sightings.get(instance.id)
        return sighting === undefined ? [] : [observe(instance, sighting, limits)]
      }),
    )

  /**
   * Asks one by one for instances that the listing left out, a few of them, from any on: so none is hidden for ever by
   * others whose answer fails. What no token is left for stays for the next poll.
   */
  const askSingly = async (projectId: string, missing: readonly ClaimedInstance[]): Promise<void> => {
    const wanted = Math.min(missing.length, SINGLE_CALLS)
    const granted = await takeTokens(database, { projectId, wanted, share: readinessShare })
    const first = Math.floor(Math.random() * missing.length)
    const chosen = [...missing.slice(first), ...missing.slice(0, first)].slice(0, granted)
    const failures: unknown[] = []
    for (const instance of chosen) {
      try {
        const status = await measured('status', () =>
          client.showInstanceStatus({ projectId, instanceId: instance.id }),
        )
        const sighting = status === 'not_found' ? status : { name: null, serverId: null, ...status }
        await recordSightings([instance], new Map([[instance.id, sighting]]))
      } catch (error) {
        if (effectOfFailure(projectId, error) !== null) throw error
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return async (projectId, claimed) => {
    const instanceIds = claimed.map(({ id }) => id)
    const page = await measured('list', () => client.listInstances({ projectId, instanceIds }))
    faultPoint('readiness.observed')
    if (claimed.some(({ probing }) => probing)) await settleBuckets(database, [effectOfRecovery(projectId)])
    const sightings = new Map<string, Sighting>(page.instances.map((instance) => [instance.id, instance]))
    await recordSightings(claimed, sightings)
    const missing = claimed.filter(({ id }) => !sightings.has(id))
    if (missing.length > 0) await askSingly(projectId, missing)
  }
}
