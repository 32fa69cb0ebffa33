import type { Sql } from '../database/database.ts'
import type { RequestState } from './provision-request.ts'

/** Locks requests in order of id, so that transactions over several of them cannot deadlock. $1 ids. */
const TEXT = `
SELECT
  r.id::text AS "id",
  r.project_id AS "projectId",
  r.request_id AS "requestId",
  r.state::text AS "state",
  r.min_count AS "minCount",
  r.max_count AS "maxCount",
  r.created_count AS "createdCount",
  r.running_count AS "runningCount",
  r.failed_count AS "failedCount",
  r.correlation_id AS "correlationId",
  r.traceparent AS "traceparent",
  r.tracestate AS "tracestate"
FROM provision_request r
WHERE r.id = ANY($1::uuid[])
ORDER BY r.id
FOR UPDATE OF r
`

export interface LockedRequest {
  id: string
  projectId: string
  requestId: string
  state: RequestState
  minCount: number
  maxCount: number
  createdCount: number
  runningCount: number
  failedCount: number
  correlationId: string | null
  traceparent: string | null
  tracestate: string | null
}

export function lockRequests(sql: Sql, ids: readonly string[]): Promise<LockedRequest[]> {
  return sql.query(TEXT, ids)
}
