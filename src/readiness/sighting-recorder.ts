import type { Database } from '../database/database.ts'
import { isRejected } from '../database/errors.ts'
import { createBatcher } from '../runtime/batcher.ts'
import { resultOf, writeInHalves } from '../runtime/halves.ts'
import { reached } from '../runtime/steps.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { ClaimedInstance } from './claim-instances.sql.ts'
import { observe, type ReadinessLimits, type Sighting } from './observation.ts'
import { type HoldsPassword, withoutPasswords } from './quoted-password.ts'
import { recordReadiness } from './readiness-recorder.ts'
import type { ObservationRow } from './record-observations.sql.ts'

/** Answers that one transaction records, and how long it gathers them under load, in milliseconds. */
const RECORDS_AT_ONCE = 10
const GATHER_MS = 5

export interface SightingRecorderOptions {
  database: Database
  limits: ReadinessLimits
  /** From the first answer that an instance runs to the next poll, where it is not listed so. */
  pollMinMs: number
  holdsPassword: HoldsPassword
  metrics: Metrics
  /** Called after each commit that wrote events. */
  onEvents: (requestKeys: readonly string[]) => void
}

/** Resolves once what was seen of these instances is committed; those without a sighting are left as they are. */
export type RecordSightings = (
  claimed: readonly ClaimedInstance[],
  sightings: ReadonlyMap<string, Sighting>,
) => Promise<void>

/** Records what several answers say in one transaction. */
export function createSightingRecorder(options: SightingRecorderOptions): RecordSightings {
  const { database, limits, holdsPassword } = options
  const batcher = createBatcher<readonly ObservationRow[], PromiseSettledResult<ObservationRow>[]>({
    maxSize: RECORDS_AT_ONCE,
    concurrency: 2,
    gatherMs: GATHER_MS,
    flush: async (answers) => {
      const results = await writeInHalves(answers.flat(), (rows) => commit(options, rows), isRejected)
      return answers.map((rows) => results.splice(0, rows.length))
    },
  })

  return async (claimed, sightings) => {
    const rows = claimed.flatMap((instance) => {
      const sighting = sightings.get(instance.id)
      return sighting === undefined ? [] : [observe(instance, sighting, limits)]
    })
    const results = await batcher.add(await withoutPasswords(database, rows, holdsPassword))
    results.forEach(resultOf)
  }
}

async function commit(
  { database, pollMinMs, metrics, onEvents }: SightingRecorderOptions,
  rows: readonly ObservationRow[],
): Promise<readonly ObservationRow[]> {
  const { ended, changed } = await recordReadiness(database, rows, pollMinMs)
  reached('readiness.recorded')
  for (const { state, ageMs } of ended) {
    metrics.readiness.instances.inc({ result: state })
    metrics.readiness.provisioningSeconds.observe({ result: state }, ageMs / 1000)
  }
  if (changed.length > 0) onEvents(changed)
  return rows
}
