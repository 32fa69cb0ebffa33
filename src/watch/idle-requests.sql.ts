import type { Sql } from '../database/database.ts'

/**
 * One page of the requests that have not ended, in the order of their index, and those among them that no step is due
 * to look at: no claim, no retry, no deadline, no call under way, no look of the reconciler, no poll.
 *
 * $1, $2 project and row id after which the page begins, $3 its size, $4 milliseconds since a request's last change,
 * below which its next step may just be imminent.
 */
const TEXT = `
WITH page AS MATERIALIZED (
  SELECT id, project_id, request_id, state, version, retry_at, expires_at, updated_at
  FROM provision_request
  WHERE completed_at IS NULL AND (project_id, id) > ($1, $2::uuid)
  ORDER BY project_id, id
  LIMIT $3::int
),
idle AS (
  SELECT *
  FROM page
  WHERE updated_at < clock_timestamp() - make_interval(secs => $4::float8 / 1000)
    AND retry_at IS NULL
    AND expires_at IS NULL
    AND NOT CASE
      WHEN state = 'queued' THEN EXISTS (
        SELECT FROM rate_bucket b WHERE b.project_id = page.project_id AND b.due_at IS NOT NULL
      )
      WHEN state = 'provisioning' THEN EXISTS (
        SELECT FROM instance i WHERE i.provision_request_id = page.id AND i.next_poll_at IS NOT NULL
      )
      ELSE EXISTS (
        SELECT FROM attempt a WHERE a.provision_request_id = page.id AND a.state IN ('in_flight', 'uncertain')
      )
    END
)
SELECT
  (SELECT count(*) FROM page)::int AS "size",
  last.project_id AS "lastProject",
  last.id::text AS "lastId",
  coalesce((
    SELECT json_agg(json_build_object(
      'id', id, 'version', version, 'projectId', project_id, 'requestId', request_id, 'state', state
    ))
    FROM idle
  ), '[]') AS "idle"
FROM (SELECT project_id, id FROM page ORDER BY project_id DESC, id DESC LIMIT 1) last
`

export interface IdleRequest {
  id: string
  version: number
  projectId: string
  requestId: string
  state: string
}

export interface IdlePage {
  /** Requests looked at. */
  size: number
  lastProject: string
  lastId: string
  idle: IdleRequest[]
}

/** Returns null after the last request. */
export async function findIdleRequests(
  sql: Sql,
  params: { after: { lastProject: string; lastId: string } | null; limit: number; quietMs: number },
): Promise<IdlePage | null> {
  const { after, limit, quietMs } = params
  const [lastProject, lastId] = [after?.lastProject ?? '', after?.lastId ?? FIRST_ID]
  const [page] = await sql.query<IdlePage>(TEXT, lastProject, lastId, limit, quietMs)
  return page ?? null
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000'
