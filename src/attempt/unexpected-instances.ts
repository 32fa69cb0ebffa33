import type { Logger } from 'pino'
import type { UpstreamInstance } from '../clouddc/wire.ts'
import { requestDispatched, requestUncertain } from '../contracts/events.ts'
import type { Database, Sql } from '../database/database.ts'
import { type LockedRequest, lockRequests } from '../request/lock-requests.sql.ts'
import { moveRequests } from '../request/move-requests.sql.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { attemptMarkers } from './marker.ts'
import {
  addInstances,
  findUnexpected,
  keepUnexpected,
  type LockedAttempt,
  lockAttempts,
  type UnexpectedInstance,
} from './unexpected-instances.sql.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export interface UnexpectedInstancesOptions {
  database: Database
  firstPollMs: number
  metrics: Pick<Metrics, 'reconcile' | 'invariantViolations'>
  logger: Logger
}

/**
 * Looks through a listing for instances that carry the id of one of our attempts although its settled outcome does
 * not name them: visible too late, left out of an answer, or created by a call that was said to have created nothing.
 * Those of an attempt that made instances are added to its request and polled like the others; the state of one that
 * has ended stays. The others are kept in the attempt's evidence and announced by an event. Each instance is reported
 * once. Returns the keys of their requests.
 */
export function createUnexpectedInstances(options: UnexpectedInstancesOptions) {
  const { database, firstPollMs, metrics, logger } = options

  const report = async (sql: Sql, attempt: LockedAttempt, request: LockedRequest, ids: readonly string[]) => {
    const belongs = attempt.state === 'adopted' || attempt.state === 'created'
    const added = belongs
      ? await addInstances(sql, {
          provisionRequestId: request.id,
          attemptId: attempt.attemptId,
          instances: ids.map((id) => ({ id, name: null })),
          firstPollMs,
        })
      : []
    await keepUnexpected(sql, attempt.attemptId, [...attempt.unexpected, ...ids])
    const event =
      added.length > 0
        ? requestDispatched(request, { instanceIds: added, attempt: attempt.attemptNumber })
        : requestUncertain(request, { attempt: attempt.attemptNumber, reason: 'unexpected_instances' })
    await moveRequests(sql, [
      {
        id: request.id,
        from: request.state,
        to: null,
        cause: 'unexpected_instances',
        evidence: null,
        running: 0,
        failed: 0,
        errorCode: null,
        errorMessage: null,
        events: [event],
      },
    ])
    return {
      projectId: request.projectId,
      requestId: request.requestId,
      requestState: request.state,
      attemptId: attempt.attemptId,
      attemptState: attempt.state,
      instanceIds: ids,
      added: added.length,
      isDuplicate: !belongs || request.createdCount - attempt.absent + added.length > request.maxCount,
    }
  }

  const store = (found: readonly UnexpectedInstance[]) =>
    database.transaction(async (sql) => {
      const byAttempt = Map.groupBy(found, (instance) => instance.attemptId)
      const attempts = await lockAttempts(sql, [...byAttempt.keys()])
      const requestIds = new Set(attempts.map((attempt) => attempt.provisionRequestId))
      const requests = new Map(
        (await lockRequests(sql, [...requestIds])).map((request) => [request.id, request]),
      )
      const reports = []
      for (const attempt of attempts) {
        const request = requests.get(attempt.provisionRequestId)
        const fresh = (byAttempt.get(attempt.attemptId) ?? [])
          .map((instance) => instance.id)
          .filter((id) => !attempt.unexpected.includes(id))
        if (request !== undefined && fresh.length > 0)
          reports.push(await report(sql, attempt, request, fresh))
      }
      return reports
    })

  return async (projectId: string, instances: readonly UpstreamInstance[]): Promise<string[]> => {
    const marked = instances.flatMap((instance) =>
      attemptMarkers(instance)
        .filter((marker) => UUID.test(marker))
        .map((attemptId) => ({ id: instance.id, attemptId })),
    )
    const found = await findUnexpected(database, projectId, marked)
    if (found.length === 0) return []
    const reports = await store(found)
    for (const { isDuplicate, ...facts } of reports) {
      logger.error(facts, 'CloudDC holds instances of ours that no outcome told of')
      metrics.reconcile.unexpectedInstances.inc(facts.instanceIds.length)
      if (isDuplicate) metrics.invariantViolations.inc({ invariant: 'duplicate' })
    }
    return reports.map(({ projectId: project, requestId }) => `${project}/${requestId}`)
  }
}
