import { WAIT_COLUMNS, type WaitColumns, withWait } from '../budget/wait.sql.ts'
import type { Sql } from '../database/database.ts'
import type { ForecastFacts } from '../forecast/estimate.ts'
import { forecastOf } from '../forecast/forecast.sql.ts'
import type { RequestState } from '../request/provision-request.ts'
import { type RequestKey, requestKey } from '../request/request-key.ts'

/**
 * Requests as the API shows them, with their instances in the order in which they became known, and what they wait for.
 * Each read is one statement, and so one snapshot; reads by key share theirs. Neither the password nor its digest is
 * among the columns.
 *
 * The fenced subquery of an instance is one probe of its primary key, whatever the planner thinks of the list.
 */
export const REQUEST_COLUMNS = `
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
  r.spec::json->>'name' AS "name",
  r.priority AS "priority",
  r.deadline AS "deadline",
  r.correlation_id AS "correlationId",
  r.version AS "version",
  r.attempts AS "attempts",
  r.error_code AS "errorCode",
  r.error_message AS "errorMessage",
  r.error_at AS "errorAt",
  r.created_at AS "createdAt",
  r.updated_at AS "updatedAt",
  r.dispatched_at AS "dispatchedAt",
  r.completed_at AS "completedAt",
  r.retry_at AS "retryAt",
  r.held_rank IS NOT NULL AS "held",
  r.held_for AS "heldFor",
  (
    SELECT json_agg(
      json_build_object(
        'id', i.id, 'state', i.state, 'name', i.name, 'serverId', i.server_id, 'errorCode', i.error_code,
        'errorMessage', i.error_message, 'createdAt', i.created_at, 'runningAt', i.running_at,
        'upstreamState', i.upstream_state
      )
      ORDER BY n.place
    )
    FROM unnest(r.instance_ids) WITH ORDINALITY AS n(id, place)
    CROSS JOIN LATERAL (
      SELECT one.* FROM instance one WHERE one.project_id = r.project_id AND one.id = n.id OFFSET 0
    ) i
  ) AS "instances",
  (
    SELECT l.due_at
    FROM look l
    WHERE r.state = 'uncertain' AND l.provision_request_id = r.id AND l.attempt = r.attempt_number
  ) AS "reconcileAt",
  ${WAIT_COLUMNS},
  f.forecast AS "forecast",
  clock_timestamp() AS "now"`

/** The bucket of `r`, where it waits for it, the pause of its project, and what is to be expected. */
export const WITH_BUCKET = `
${withWait('r')}
LEFT JOIN LATERAL ${forecastOf('r')} f ON true
`

/** Those that are there, in no order. $1 projects and $2 requests, side by side. */
const BY_KEYS = `${REQUEST_COLUMNS}
FROM unnest($1::text[], $2::text[]) AS wanted(project_id, request_id)
CROSS JOIN LATERAL (
  SELECT one.*
  FROM provision_request one
  WHERE one.project_id = wanted.project_id AND one.request_id = wanted.request_id
  OFFSET 0
) r
${WITH_BUCKET}`

/** $1 project, $2 instance. */
const BY_INSTANCE = `${REQUEST_COLUMNS}
FROM provision_request r
${WITH_BUCKET}
WHERE r.id = (SELECT i.provision_request_id FROM instance i WHERE i.project_id = $1 AND i.id = $2)`

/** $1 ids. */
const STATES = `
SELECT r.id::text AS "id", r.state::text AS "state"
FROM provision_request r
WHERE r.id = ANY($1::uuid[])
`

export interface InstanceRow {
  id: string
  state: 'pending' | 'running' | 'failed'
  name: string | null
  serverId: string | null
  errorCode: string | null
  errorMessage: string | null
  createdAt: Date
  runningAt: Date | null
  upstreamState: string | null
}

export interface RequestRow extends WaitColumns {
  id: string
  projectId: string
  requestId: string
  state: RequestState
  minCount: number
  maxCount: number
  createdCount: number
  runningCount: number
  failedCount: number
  /** Of its instances, as ordered. */
  name: string
  priority: number
  deadline: Date | null
  correlationId: string | null
  version: number
  attempts: number
  errorCode: string | null
  errorMessage: string | null
  errorAt: Date | null
  createdAt: Date
  updatedAt: Date
  dispatchedAt: Date | null
  completedAt: Date | null
  /** When a request that was put back becomes eligible again. */
  retryAt: Date | null
  /** It is held back until its project's servers are read, and for what, once they have been. */
  held: boolean
  heldFor: string | null
  instances: InstanceRow[]
  /** The next look for the instances of an attempt without an outcome. */
  reconcileAt: Date | null
  forecast: ForecastFacts | null
  /** The database's time of the read. */
  now: Date
}

/** In the order of the keys; null where there is no such request. */
export async function readRequests(sql: Sql, keys: readonly RequestKey[]): Promise<(RequestRow | null)[]> {
  const rows = await sql.query<StoredRow>(
    BY_KEYS,
    keys.map(({ projectId }) => projectId),
    keys.map(({ requestId }) => requestId),
  )
  const byKey = new Map(rowsOf(rows).map((row) => [requestKey(row), row]))
  return keys.map((key) => byKey.get(requestKey(key)) ?? null)
}

/** The request that an instance belongs to. */
export async function readRequestOfInstance(
  sql: Sql,
  { projectId, instanceId }: { projectId: string; instanceId: string },
): Promise<RequestRow | null> {
  const [row] = rowsOf(await sql.query<StoredRow>(BY_INSTANCE, projectId, instanceId))
  return row ?? null
}

/** The present states of those ids that exist. */
export async function readStates(sql: Sql, ids: readonly string[]): Promise<Map<string, RequestState>> {
  const rows = await sql.query<{ id: string; state: RequestState }>(STATES, ids)
  return new Map(rows.map(({ id, state }) => [id, state]))
}

/** In JSON, times are text and an empty list is null. */
export type StoredRow = Omit<RequestRow, 'instances'> & {
  instances:
    | (Omit<InstanceRow, 'createdAt' | 'runningAt'> & { createdAt: string; runningAt: string | null })[]
    | null
}

export function rowsOf(stored: readonly StoredRow[]): RequestRow[] {
  return stored.map((row) => ({
    ...row,
    instances: (row.instances ?? []).map((instance) => ({
      ...instance,
      createdAt: new Date(instance.createdAt),
      runningAt: instance.runningAt === null ? null : new Date(instance.runningAt),
    })),
  }))
}
