import type { HistoryEntry } from '../contracts/history.ts'
import type { RequestStatus } from '../contracts/status.ts'
import type { Attempt, Prisma } from '../database/generated/client.ts'
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

type TransitionRow = Prisma.TransitionGetPayload<object>

/** Transitions in their order, each attempt right after the transition that made it. */
export function mergeHistory(
  transitions: readonly TransitionRow[],
  attempts: readonly Attempt[],
): HistoryEntry[] {
  const numbers = new Map(attempts.map((attempt) => [attempt.id, attempt.number]))
  const entries: HistoryEntry[] = [
    ...transitions.toReversed().map((row) => transitionEntry(row, numbers)),
    ...attempts.toReversed().map(attemptEntry),
  ]
  // The sort is stable: of one instant, transitions come first.
  return entries.sort((one, other) => one.time.getTime() - other.time.getTime())
}

function transitionEntry(row: TransitionRow, numbers: ReadonlyMap<string, number>): HistoryEntry {
  return {
    kind: 'transition',
    time: row.at,
    cause: row.cause,
    evidence: asRecord(row.evidence),
    from: row.fromState,
    to: row.toState,
    attempt: row.attemptId === null ? null : (numbers.get(row.attemptId) ?? null),
  }
}

function attemptEntry(row: Attempt): HistoryEntry {
  const found = {
    ...(row.httpStatus === null ? {} : { http_status: row.httpStatus }),
    ...(row.errorCode === null ? {} : { error_code: row.errorCode }),
    ...(row.errorMessage === null ? {} : { error_message: row.errorMessage }),
    ...(row.listingsWithout === 0 ? {} : { listings_without: row.listingsWithout }),
    ...asRecord(row.evidence),
  }
  return {
    kind: 'attempt',
    time: row.startedAt,
    cause: 'claimed',
    evidence: Object.keys(found).length === 0 ? null : found,
    attempt: row.number,
    attempt_id: row.id,
    state: row.state,
    upstream_request_id: row.upstreamRequestId,
    finished_at: row.finishedAt,
    reconcile_at: row.reconcileAt,
  }
}

function asRecord(value: unknown): Record<string, unknown> | null {
  if (value === null || value === undefined) return null
  return typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : { value }
}
