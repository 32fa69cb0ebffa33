import type { ThroughPrisma } from '../database/database.ts'
import { NIL_UUID } from '../runtime/uuid.ts'
import { hashOfInstance } from './polled-instances.sql.ts'

/**
 * One page of the requests that have not ended, in the order of their index. Of those that have not changed lately:
 *
 * idle          nothing points to them: no bucket that is due, no reading of servers, no claim, no doubt. A retry and a deadline are columns of
 *               the request itself
 * provisioning  the instances whose polls are for the caller to look for
 *
 * $1, $2 project and row id after which the page begins, $3 its size, $4 milliseconds since a request's last change,
 * below which its next step may just be imminent, $5 seed of the hashes.
 */
const TEXT = `
WITH page AS MATERIALIZED (
  SELECT id, project_id, request_id, state, version, retry_at, expires_at, updated_at, claim_id, attempt_number,
    held_rank, instance_ids, created_count - running_count - failed_count AS pending
  FROM provision_request
  WHERE completed_at IS NULL AND (project_id, id) > ($1, $2::uuid)
  ORDER BY project_id, id
  LIMIT $3::int
),
unchanged AS MATERIALIZED (
  SELECT *
  FROM page
  WHERE updated_at < clock_timestamp() - make_interval(secs => $4::float8 / 1000)
    AND retry_at IS NULL
    AND expires_at IS NULL
),
idle AS (
  SELECT *
  FROM unchanged
  WHERE NOT CASE
    WHEN state = 'queued' THEN EXISTS (
      SELECT FROM rate_bucket b
      WHERE b.project_id = unchanged.project_id
        AND CASE WHEN held_rank IS NULL THEN b.due_at ELSE b.preflight_at END IS NOT NULL
    )
    WHEN state = 'dispatching' THEN EXISTS (
      SELECT FROM claim c WHERE c.id = unchanged.claim_id AND unchanged.id = ANY(c.request_ids)
    )
    WHEN state = 'uncertain' THEN EXISTS (
      SELECT FROM look l
      WHERE l.provision_request_id = unchanged.id AND l.attempt = unchanged.attempt_number AND l.purpose = 'doubt'
    )
    ELSE true
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
  ), '[]') AS "idle",
  coalesce((
    SELECT json_agg(json_build_object(
      'id', id, 'version', version, 'projectId', project_id, 'requestId', request_id, 'state', state,
      'updatedAtMs', extract(epoch FROM updated_at) * 1000, 'pending', pending,
      'hashes', ARRAY(SELECT ${hashOfInstance('unchanged.project_id', 'n.id', '$5::int8')} FROM unnest(instance_ids) AS n(id))
    ))
    FROM unchanged
    WHERE state = 'provisioning'
  ), '[]') AS "provisioning"
FROM (SELECT project_id, id FROM page ORDER BY project_id DESC, id DESC LIMIT 1) last
`

export interface OpenRequest {
  id: string
  version: number
  projectId: string
  requestId: string
  state: 'queued' | 'dispatching' | 'uncertain' | 'provisioning'
}

export interface ProvisioningRequest extends OpenRequest {
  /** Its last change, milliseconds since 1970. */
  updatedAtMs: number
  /** How many of its instances have not ended. */
  pending: number
  /** Of all its instances. */
  hashes: number[]
}

export interface OpenPage {
  /** Requests looked at. */
  size: number
  lastProject: string
  lastId: string
  idle: OpenRequest[]
  provisioning: ProvisioningRequest[]
}

/** Returns null after the last request. */
export async function readOpenRequests(
  { throughPrisma }: ThroughPrisma,
  params: {
    after: { lastProject: string; lastId: string } | null
    limit: number
    unchangedMs: number
    /** That of the hashes to compare with. */
    seed: number
  },
): Promise<OpenPage | null> {
  const { after, limit, unchangedMs, seed } = params
  const [lastProject, lastId] = [after?.lastProject ?? '', after?.lastId ?? NIL_UUID]
  const [page] = await throughPrisma.query<OpenPage>(TEXT, lastProject, lastId, limit, unchangedMs, seed)
  return page ?? null
}
