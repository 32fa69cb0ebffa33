import type { CallLimit } from '../budget/token-bucket.ts'
import type { RequestStatus } from '../contracts/status.ts'
import type { Summary } from '../contracts/summary.ts'
import { BLOCKED_REASONS, waitingFor } from '../request/waiting.ts'
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
    waiting: waitingFor({ ...row, bucket: row }),
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
  { burst }: CallLimit,
): Summary {
  const { level, rate, oldestUncertain, uncertainSince } = row
  const { queued = 0, dispatching = 0, uncertain = 0, provisioning = 0 } = row.open ?? {}
  return {
    project_id: projectId,
    requests: { queued, dispatching, uncertain, provisioning, ...row.ended },
    counts_capped: row.capped,
    bucket:
      !row.hasBucket || level === null || rate === null
        ? null
        : {
            level,
            rate,
            burst,
            blocked_until: row.blockedUntil,
            blocked_reason: BLOCKED_REASONS.find((reason) => reason === row.blockedReason) ?? null,
            paused: false,
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
