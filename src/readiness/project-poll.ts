import { applyCallResults } from '../budget/apply-call-results.sql.ts'
import { effectOfRecovery } from '../budget/call-effect.ts'
import { createStaleGuard } from '../budget/stale-guard.ts'
import { takeToken } from '../budget/take-token.sql.ts'
import type { CloudDcClient } from '../clouddc/client.ts'
import { CloudDcRefusedError, CloudDcThrottledError, CloudDcUnexpectedError } from '../clouddc/errors.ts'
import type { Database } from '../database/database.ts'
import { isRejected } from '../database/errors.ts'
import { startAge } from '../runtime/age.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ClaimedInstance } from './claim-instances.sql.ts'
import { observe, type ReadinessLimits, type Sighting } from './observation.ts'
import { type HoldsPassword, withoutPasswords } from './quoted-password.ts'
import { recordReadiness } from './readiness-recorder.ts'
import type { ObservationRow } from './record-observations.sql.ts'

/** Instances that one call asks for one by one afterwards, at most. */
const SINGLE_CALLS = 10
/** Answers that one transaction records, and how long it gathers them under load, in milliseconds. */
const RECORDS_AT_ONCE = 10
const GATHER_MS = 5
/** What ShowInstanceStatus does not tell. */
const UNLISTED = { name: null, serverId: null, imageId: null, networkInterfaces: null }

export interface ProjectPollOptions {
  database: Database
  client: CloudDcClient
  limits: ReadinessLimits
  /** From the first answer that an instance runs to the next poll, where it is not listed so. */
  pollMinMs: number
  /** 0..1 of the call budget. */
  readinessShare: number
  holdsPassword: HoldsPassword
  metrics: Metrics
  /** Called after each commit that wrote events. */
  onEvents: (requestKeys: readonly string[]) => void
}

/** Instances of one project that a claim has paid a call for. */
export interface ClaimedCall {
  projectId: string
  /** At most 100. */
  instances: readonly ClaimedInstance[]
  /** Milliseconds since the claim was sent. */
  age: () => number
}

/**
 * Asks CloudDC for the instances of one call, and records what it says. Throws the first failure, after it has recorded
 * all that was answered. A call that was held up since its token was taken is not made: it would arrive together with
 * those of later tokens.
 */
export type ProjectPoll = (call: ClaimedCall, signal: AbortSignal) => Promise<void>

export function createProjectPoll(options: ProjectPollOptions): ProjectPoll {
  const { database, client, limits, pollMinMs, readinessShare, holdsPassword, metrics, onEvents } = options
  const stale = createStaleGuard()

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

  const recordRows = async (rows: readonly ObservationRow[]) => {
    const { ended, changed } = await recordReadiness(database, rows, pollMinMs)
    reached('readiness.recorded')
    for (const { state, ageMs } of ended) {
      metrics.readiness.instances.inc({ result: state })
      metrics.readiness.provisioningSeconds.observe({ result: state }, ageMs / 1000)
    }
    if (changed.length > 0) onEvents(changed)
    return rows
  }

  const record = createBatcher<readonly ObservationRow[], PromiseSettledResult<ObservationRow>[]>({
    maxSize: RECORDS_AT_ONCE,
    concurrency: 2,
    gatherMs: GATHER_MS,
    flush: async (polls) => {
      const results = await writeInHalves(polls.flat(), recordRows, isRejected)
      return polls.map((rows) => results.splice(0, rows.length))
    },
  })

  const recordSightings = async (
    claimed: readonly ClaimedInstance[],
    sightings: ReadonlyMap<string, Sighting>,
  ): Promise<void> => {
    const rows = claimed.flatMap((instance) => {
      const sighting = sightings.get(instance.id)
      return sighting === undefined ? [] : [observe(instance, sighting, limits)]
    })
    const results = await record.add(await withoutPasswords(database, rows, holdsPassword))
    results.forEach(resultOf)
  }

  /**
   * Asks one by one for instances that the listing left out, a few, from a random start: so none is hidden for ever by
   * others whose answer fails. What no token is left for stays for the next poll.
   */
  const askSingly = async (
    projectId: string,
    missing: readonly ClaimedInstance[],
    signal: AbortSignal,
  ): Promise<void> => {
    const first = Math.floor(Math.random() * missing.length)
    const chosen = [...missing.slice(first), ...missing.slice(0, first)].slice(0, SINGLE_CALLS)
    const failures: unknown[] = []
    for (const instance of chosen) {
      const age = startAge()
      if (signal.aborted || !(await takeToken(database, { projectId, share: readinessShare }))) break
      const beforeWrite = () => stale.check(age)
      try {
        const status = await measured('status', () =>
          client.showInstanceStatus({ projectId, instanceId: instance.id, beforeWrite }),
        )
        const sighting = status === 'not_found' ? status : { ...UNLISTED, ...status }
        await recordSightings([instance], new Map([[instance.id, sighting]]))
      } catch (error) {
        if (!isAboutTheInstance(error)) throw error
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return async ({ projectId, instances, age }, signal) => {
    const instanceIds = instances.map(({ id }) => id)
    const beforeWrite = () => stale.check(age)
    const page = await measured('list', () => client.listInstances({ projectId, instanceIds, beforeWrite }))
    reached('readiness.observed')
    const sightings = new Map<string, Sighting>(page.instances.map((instance) => [instance.id, instance]))
    const missing = instances.filter(({ id }) => !sightings.has(id))
    // What ran when it was asked for singly waits for the listing: nothing else names its server.
    const [waiting, unknown] = [missing.filter(hasRun), missing.filter((instance) => !hasRun(instance))]
    for (const { id } of waiting) sightings.set(id, 'not_found')
    await recordSightings(instances, sightings)
    if (instances.some(({ probing }) => probing))
      await applyCallResults(database, [effectOfRecovery(projectId)])
    if (unknown.length > 0) await askSingly(projectId, unknown, signal)
  }
}

const hasRun = ({ ranMs }: ClaimedInstance) => ranMs !== null

/** Another instance may fare better. */
function isAboutTheInstance(error: unknown): boolean {
  return error instanceof CloudDcRefusedError || error instanceof CloudDcUnexpectedError
}
