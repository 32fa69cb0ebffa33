import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { INSTANCE_NOT_FOUND } from '../request/instance.ts'

/**
 * Requests of ours that instances name in their marker although no row knows them, with all that tells whether they are
 * expected. Those of an attempt that is in flight or in doubt naturally have no row yet. A request that is unknown here
 * was deleted long ago, or never was.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 project, $2 instances and their markers as JSON.
 */
const TEXT = `
WITH unknown AS MATERIALIZED (
  -- The project as a column: as a constant, a plan could go by it alone.
  SELECT i.*, $1::text AS project_id
  FROM json_to_recordset($2::json) AS i("instanceId" text, "id" uuid, "attempt" int4, "requestId" text)
  -- A subquery in this place is one index probe per row, whatever the planner thinks of the table's size.
  WHERE (SELECT n.id FROM instance n WHERE n.project_id = $1 AND n.id = i."instanceId") IS NULL
),
named AS MATERIALIZED (
  SELECT u."id", array_agg(u."instanceId" ORDER BY u."instanceId") AS "instanceIds"
  FROM unknown u
  JOIN LATERAL (SELECT u."id" OFFSET 0) one_row_hint ON one_row_hint."id" = u."id"
  JOIN provision_request r ON r.id = u."id"
  WHERE r.project_id = u.project_id
    AND (u."requestId" IS NULL OR u."requestId" = r.request_id)
    AND NOT (r.state IN ('dispatching', 'uncertain') AND r.attempt_number = u."attempt")
  GROUP BY u."id"
)
SELECT
  r.id::text AS "id",
  r.project_id AS "projectId",
  r.request_id AS "requestId",
  r.state::text AS "state",
  r.version AS "version",
  r.created_count AS "createdCount",
  r.max_count AS "maxCount",
  r.spec AS "spec",
  ARRAY(
    SELECT p.history FROM history_part p WHERE p.provision_request_id = r.id ORDER BY p.version
  ) || r.history AS "history",
  (
    SELECT count(*)
    FROM unnest(r.instance_ids) AS own(id)
    WHERE (
      SELECT n.error_code FROM instance n WHERE n.project_id = r.project_id AND n.id = own.id
    ) = '${INSTANCE_NOT_FOUND}'
  )::int AS "absentCount",
  named."instanceIds" AS "instanceIds"
FROM named
JOIN LATERAL (SELECT named."id" OFFSET 0) one_row_hint ON one_row_hint."id" = named."id"
JOIN provision_request r ON r.id = named."id"
ORDER BY r.id
`

export interface MarkedInstance {
  instanceId: string
  /** The request's row, and the number of the attempt. */
  id: string
  attempt: number
  /** Null where the marker is short. */
  requestId: string | null
}

/** A request, and instances that carry its marker and have no row. */
export interface NamedRequest {
  id: string
  projectId: string
  requestId: string
  state: string
  version: number
  createdCount: number
  maxCount: number
  /** JSON text. */
  spec: string
  /** All parts of its history, oldest first. */
  history: string[]
  /** Its instances that an answer had named and that do not exist. */
  absentCount: number
  instanceIds: string[]
}

export async function findNamedRequests(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
  marked: readonly MarkedInstance[],
): Promise<NamedRequest[]> {
  return marked.length === 0 ? [] : throughPrisma.query(TEXT, projectId, toJson(marked))
}
