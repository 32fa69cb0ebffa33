import type { CallLimit } from '../budget/token-bucket.ts'
import type { RequestStatus } from '../contracts/status.ts'
import type { Summary } from '../contracts/summary.ts'
import { estimate } from '../forecast/estimate.ts'
import { blockedReasonOf, ESTIMABLE_REASONS, waitingFor } from '../request/waiting.ts'
import type { InstanceRow, RequestRow } from './read-requests.sql.ts'
import type { SummaryRow } from './read-summary.sql.ts'

/** A request as the API shows it. */
export function requestStatus(row: RequestRow): RequestStatus {
  return {
    project_id: row.projectId,
    request_id: row.requestId,
    state: row.state,
    counts: {
      min: row.minCount,
      max: row.maxCount,
      created: row.createdCount,
      running: row.runningCount,
      failed: row.failedCount,
    },
    instances: row.instances.map(instanceStatus),
    name: row.name,
    priority: row.priority,
    deadline: row.deadline,
    correlation_id: row.correlationId,
    attempts: row.attempts,
    waiting: waitingOf(row),
    error:
      row.errorCode === null || row.errorAt === null
        ? null
        : { code: row.errorCode, message: row.errorMessage ?? '', at: row.errorAt },
    created_at: row.createdAt,
    updated_at: row.updatedAt,
    dispatched_at: row.dispatchedAt,
    completed_at: row.completedAt,
  }
}

/** What it waits for, and when that is expected to be over; nobody knows for how long it waits for somebody else. */
function waitingOf(row: RequestRow): RequestStatus['waiting'] {
  const pause = row.pauseDetail === null ? null : { until: row.pausedUntil, detail: row.pauseDetail }
  const waiting = waitingFor({ ...row, bucket: row, pause })
  if (waiting === null) return null
  const { position, turnMs, readyMs } = estimate(row.forecast, {
    instances: row.maxCount,
    retryMs: row.retryAt?.getTime() ?? null,
    nowMs: row.now.getTime(),
  })
  const isKnown = ESTIMABLE_REASONS.has(waiting.reason)
  return {
    ...waiting,
    position,
    estimated_dispatch_at: isKnown ? wholeSecond(turnMs) : null,
    estimated_at: isKnown ? wholeSecond(readyMs) : null,
  }
}

/** So that a reply does not change with each estimate of the same. */
function wholeSecond(ms: number | null): Date | null {
  return ms === null ? null : new Date(Math.round(ms / 1000) * 1000)
}

export function instanceStatus(row: InstanceRow): RequestStatus['instances'][number] {
  return {
    id: row.id,
    state: row.state,
    name: row.name,
    server_id: row.serverId,
    created_at: row.createdAt,
    // While it is pending, its listing is waited for.
    running_at: row.state === 'running' ? row.runningAt : null,
    error: row.errorCode === null ? null : { code: row.errorCode, message: row.errorMessage ?? '' },
  }
}

/** How a project stands. `oldest`: its oldest queued request, as it was a moment later. */
export function summaryOf(
  projectId: string,
  row: SummaryRow,
  oldest: RequestRow | null,
  configured: CallLimit,
): Summary {
  const { oldestUncertain, uncertainSince } = row
  const { queued = 0, dispatching = 0, uncertain = 0, provisioning = 0 } = row.open ?? {}
  return {
    project_id: projectId,
    requests: { queued, dispatching, uncertain, provisioning, ...row.ended },
    counts_capped: row.capped,
    bucket: bucketOf(row, configured),
    queue:
      row.queueLength === null || row.computedAt === null
        ? null
        : {
            length: row.queueLength,
            seconds: row.queueMs === null ? null : row.queueMs / 1000,
            computed_at: row.computedAt,
          },
    oldest_waiting:
      oldest?.state === 'queued'
        ? {
            request_id: oldest.requestId,
            created_at: oldest.createdAt,
            waiting: requestStatus(oldest).waiting,
          }
        : null,
    oldest_uncertain:
      oldestUncertain === null || uncertainSince === null
        ? null
        : { request_id: oldestUncertain, since: uncertainSince },
  }
}

/** Also of a project that has none now, but what a person has set waits for its next order. */
function bucketOf(row: SummaryRow, configured: CallLimit): Summary['bucket'] {
  const { hasBucket, level, rate, paused, overrideBurst, overridePerSecond } = row
  const overridden = overrideBurst !== null
  if (!hasBucket && !paused && !overridden) return null
  const burst = overrideBurst ?? configured.burst
  return {
    level: hasBucket && level !== null ? level : burst,
    rate: hasBucket && rate !== null ? rate : (overridePerSecond ?? configured.perSecond),
    burst,
    blocked_until: row.blockedUntil,
    blocked_reason: blockedReasonOf(row.blockedReason),
    paused,
    paused_until: row.pausedUntil,
    overridden,
    override_until: row.overrideUntil,
  }
}
