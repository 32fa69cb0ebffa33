import type { RequestStatus } from '../contracts/status.ts'
import { waitingFor } from '../request/waiting.ts'
import type { InstanceRow, RequestRow } from './read-requests.sql.ts'

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
