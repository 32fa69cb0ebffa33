import type { Sql } from '../database/database.ts'
import { inMs } from '../request/change.sql.ts'
import type { InstanceFacts, RequestFacts } from './render-events.ts'

/** $1 ids of requests. For `one_row_hint` see claim-requests. */
const REQUESTS = `
SELECT
  r.id::text AS "id", r.project_id AS "projectId", r.request_id AS "requestId",
  r.correlation_id AS "correlationId", r.traceparent AS "traceparent", r.tracestate AS "tracestate",
  r.min_count AS "minCount", r.max_count AS "maxCount", r.history AS "history"
FROM unnest($1::uuid[]) AS wanted(id)
JOIN LATERAL (SELECT wanted.id OFFSET 0) one_row_hint ON one_row_hint.id = wanted.id
JOIN provision_request r ON r.id = wanted.id
`

/** $1 projects and $2 ids of instances, side by side. */
const INSTANCES = `
SELECT
  i.project_id AS "projectId", i.id AS "id", i.state::text AS "state", i.name AS "name", i.server_id AS "serverId",
  i.image_id AS "imageId", i.network_interfaces AS "networkInterfaces", i.error_code AS "errorCode",
  i.error_message AS "errorMessage", ${inMs('i.running_at')}::float8 AS "runningAt",
  ${inMs('i.ended_at')}::float8 AS "endedAt", i.ended_version AS "endedVersion"
FROM unnest($1::text[], $2::text[]) AS wanted(project_id, id)
JOIN LATERAL (SELECT wanted.id OFFSET 0) one_row_hint ON one_row_hint.id = wanted.id
JOIN instance i ON i.project_id = wanted.project_id AND i.id = wanted.id
WHERE i.ended_at IS NOT NULL
`

/** The part of a history that holds a version, for each of $1 requests and $2 versions, side by side. */
const PARTS = `
SELECT wanted.id::text AS "id", wanted.version AS "version", part.history AS "history"
FROM unnest($1::uuid[], $2::int[]) AS wanted(id, version)
CROSS JOIN LATERAL (
  SELECT p.history
  FROM history_part p
  WHERE p.provision_request_id = wanted.id AND p.version >= wanted.version
  ORDER BY p.version
  LIMIT 1
) part
`

export interface EndedInstanceRow extends InstanceFacts {
  projectId: string
  /** The version of its request that counted its end. */
  endedVersion: number
}

/** Those that are there, in no order; `history` is their row's text. */
export function readRequestFacts(sql: Sql, ids: readonly string[]): Promise<RequestFacts[]> {
  return sql.query(REQUESTS, ids)
}

/** Those that are there and have ended, in no order. */
export function readEndedInstances(
  sql: Sql,
  wanted: readonly { projectId: string; id: string }[],
): Promise<EndedInstanceRow[]> {
  return sql.query(
    INSTANCES,
    wanted.map(({ projectId }) => projectId),
    wanted.map(({ id }) => id),
  )
}

/** The parts of histories that hold these versions, for those that have left their row. */
export function readParts(
  sql: Sql,
  wanted: readonly { id: string; version: number }[],
): Promise<{ id: string; version: number; history: string }[]> {
  return sql.query(
    PARTS,
    wanted.map(({ id }) => id),
    wanted.map(({ version }) => version),
  )
}
