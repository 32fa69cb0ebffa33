import type { Sql } from '../database/database.ts'
import type { RequestState } from '../request/provision-request.ts'

/**
 * Instances that are still pending, and their requests as they are now.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 projects and $2 ids of the instances.
 */
const TEXT = `
SELECT
  n.project_id AS "projectId",
  n.id AS "id",
  r.id::text AS "provisionRequestId",
  r.request_id AS "requestId",
  r.version AS "version",
  r.state::text AS "requestState",
  r.min_count AS "minCount",
  r.max_count AS "maxCount",
  r.created_count AS "createdCount",
  r.running_count AS "runningCount",
  r.failed_count AS "failedCount"
FROM unnest($1::text[], $2::text[]) AS i(project_id, id)
JOIN LATERAL (SELECT i.id OFFSET 0) one_row_hint USING (id)
JOIN instance n ON n.project_id = i.project_id AND n.id = i.id
JOIN provision_request r ON r.id = n.provision_request_id
WHERE n.state = 'pending'
`

/** A pending instance, and its request. */
export interface PendingFacts {
  projectId: string
  id: string
  provisionRequestId: string
  requestId: string
  /** Of the request, as the following. */
  version: number
  requestState: RequestState
  minCount: number
  maxCount: number
  createdCount: number
  runningCount: number
  failedCount: number
}

/** Leaves out instances that have ended or are gone. */
export function findPending(
  sql: Sql,
  instances: readonly { projectId: string; id: string }[],
): Promise<PendingFacts[]> {
  return sql.query(
    TEXT,
    instances.map(({ projectId }) => projectId),
    instances.map(({ id }) => id),
  )
}
