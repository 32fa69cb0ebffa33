import type { Logger } from 'pino'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { isTaken } from '../database/errors.ts'
import { requestKey } from '../request/request-key.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { addInstances } from './add-instances.sql.ts'
import { findNamedRequests } from './find-unexpected.sql.ts'
import type { Installation } from './installation.ts'
import { attemptKey } from './marker.ts'
import type { PollTimes } from './settle-attempts.sql.ts'
import { markedInstances, type UnexpectedInstances, unexpectedOf } from './unexpected.ts'

/** Times in a row that others may have changed all the requests concerned before their records were written. */
const MAX_FRUITLESS = 5

export interface UnexpectedInstancesOptions {
  database: ThroughPrisma
  installation: Installation
  pollTimes: PollTimes
  metrics: Pick<Metrics, 'reconcile' | 'invariantViolations'>
  logger: Logger
}

/**
 * Looks through a listing for instances that carry the marker of one of our attempts although its settled outcome does
 * not name them: visible too late, left out of an answer, or created by a call that was said to have created nothing.
 * Those of an attempt that made instances are added to its request and polled like the others; the state of one that
 * has ended stays. The others are kept in the request's history. Either is announced by an event, each instance once.
 * Returns the keys (`project/request`) of their requests.
 */
export function createUnexpectedInstances(options: UnexpectedInstancesOptions) {
  const { database, installation, pollTimes, metrics, logger } = options

  const tell = ({ request, row, outcome, instanceIds, isDuplicate }: UnexpectedInstances) => {
    const { projectId, requestId, state: requestState } = request
    const attemptId = attemptKey({ provisionRequestId: row.id, attempt: row.attempt })
    const added = row.instanceIds.length
    logger.error(
      { projectId, requestId, requestState, attemptId, attemptState: outcome, instanceIds, added },
      'CloudDC holds instances of ours that no outcome told of',
    )
    metrics.reconcile.unexpectedInstances.inc(instanceIds.length)
    if (isDuplicate) metrics.invariantViolations.inc({ invariant: 'duplicate' })
  }

  return async (projectId: string, instances: readonly UpstreamInstance[]): Promise<string[]> => {
    const ours = await installation()
    const marked = markedInstances(instances, ours)
    const listed = new Map(instances.map((instance) => [instance.id, instance]))
    const keys = new Set<string>()
    for (let fruitless = 0; ; ) {
      const requests = await findNamedRequests(database, projectId, marked)
      const found = requests.flatMap((request) => unexpectedOf(request, listed, ours) ?? [])
      if (found.length === 0) return [...keys]
      const stored = await addInstances(
        database,
        found.map(({ row }) => row),
        pollTimes,
      ).catch((error: unknown) => {
        // Another attempt has got a row for one of them since: the next reading leaves it out.
        if (isTaken(error)) return new Set<string>()
        throw error
      })
      for (const one of found.filter(({ row }) => stored.has(row.id))) {
        tell(one)
        keys.add(requestKey(one.request))
      }
      fruitless = stored.size > 0 ? 0 : fruitless + 1
      if (fruitless > MAX_FRUITLESS) throw new Error('unexpected instances could not be recorded')
    }
  }
}
