import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { PRIORITY_STEP_MINUTES } from '../request/provision-request.ts'
import type { RequestKey } from '../request/request-key.ts'
import { byId } from '../runtime/by-id.ts'

const COLUMNS = `
  r.id::text AS "id", r.project_id AS "projectId", r.request_id AS "requestId", r.version AS "version", r.min_count AS "minCount", r.max_count AS "maxCount",
  r.waits_for_ready AS "waits", r.held_for AS "heldFor", r.created_at <= $2::timestamptz AS "acceptedBefore",
  (r.spec::json -> 'placement' -> 'server_id_set')::text AS "servers"`

/**
 * Held orders of a project, in the order of the queue: those that no reading has been held against come before others
 * where these are too many. $1 project, $2 begin of the reading, $3 most.
 */
const HELD = `
SELECT ${COLUMNS}
FROM (
  SELECT one.*
  FROM provision_request one
  WHERE one.project_id || '' = $1 AND one.held_rank IS NOT NULL
  ORDER BY one.held_for IS NOT NULL, one.held_rank, one.id
  LIMIT $3::int
) r
ORDER BY r.held_rank, r.id
`

/** Those among the first of a project's queue that ask for more than $4 instances. $1 to $3 as above. */
const TOO_LARGE = `
SELECT ${COLUMNS}
FROM (
  SELECT first.*
  FROM provision_request first
  WHERE first.project_id || '' = $1 AND first.queue_rank IS NOT NULL
  ORDER BY first.queue_rank, first.id
  LIMIT $3::int
) r
WHERE r.min_count > $4::int
`

/**
 * Lets held orders into the queue, and notes that the servers they have selected are spoken for: of two orders that
 * select the same one, the second is let in after the first. $1 ids, $2 minutes that one step of priority is worth.
 */
const RELEASE = `
WITH chosen AS MATERIALIZED (
  SELECT r.id, r.project_id
  FROM provision_request r
  WHERE r.id = ANY($1::uuid[]) AND r.held_rank IS NOT NULL
  ORDER BY r.id
  FOR UPDATE
),
released AS (
  UPDATE provision_request r
  SET
    queue_rank = r.created_at - make_interval(mins => r.priority * $2::int),
    held_rank = NULL,
    held_for = NULL
  FROM chosen c
  WHERE r.id = c.id
  RETURNING r.id, r.project_id, r.spec
),
spoken AS (
  INSERT INTO spoken_server (project_id, server_id, provision_request_id)
  SELECT r.project_id, server.id, r.id
  FROM released r
  CROSS JOIN LATERAL json_array_elements_text(r.spec::json -> 'placement' -> 'server_id_set') AS server(id)
  ON CONFLICT (project_id, server_id) DO UPDATE SET provision_request_id = excluded.provision_request_id
)
SELECT r.id::text AS "id" FROM released r
`

/**
 * Holds back orders, or changes what they are said to wait for. Neither is a change of state: one that was claimed
 * meanwhile stays claimed. $1 rows as JSON, sorted by id.
 */
const HOLD = `
WITH input AS MATERIALIZED (
  SELECT * FROM json_to_recordset($1::json) AS i("id" uuid, "heldFor" text)
)
UPDATE provision_request r
SET held_rank = coalesce(r.held_rank, r.queue_rank), queue_rank = NULL, held_for = i."heldFor"
FROM input i
WHERE r.id = i."id" AND r.state = 'queued' AND num_nonnulls(r.queue_rank, r.held_rank) = 1
`

/** An order that a reading is to be held against. */
export interface LookedAtOrder extends RequestKey {
  id: string
  version: number
  minCount: number
  maxCount: number
  /** Too few ready servers let it wait, instead of ending it. */
  waits: boolean
  /** What it was last said to wait for. */
  heldFor: string | null
  /** It was accepted before the reading began. */
  acceptedBefore: boolean
  /** Those that it has selected; null: any will do. */
  servers: string[] | null
}

type Row = Omit<LookedAtOrder, 'servers'> & { servers: string | null }

const orderOf = ({ servers, ...row }: Row): LookedAtOrder => ({
  ...row,
  servers: servers === null ? null : (JSON.parse(servers) as string[]),
})

export async function readHeldOrders(
  { throughPrisma }: ThroughPrisma,
  query: { projectId: string; begunAt: string; limit: number },
): Promise<LookedAtOrder[]> {
  const rows = await throughPrisma.query<Row>(HELD, query.projectId, query.begunAt, query.limit)
  return rows.map(orderOf)
}

export async function readTooLargeOrders(
  { throughPrisma }: ThroughPrisma,
  query: { projectId: string; begunAt: string; limit: number; ready: number },
): Promise<LookedAtOrder[]> {
  const { projectId, begunAt, limit, ready } = query
  const rows = await throughPrisma.query<Row>(TOO_LARGE, projectId, begunAt, limit, ready)
  return rows.map(orderOf)
}

/** Returns how many were let in. */
export async function releaseOrders(
  { throughPrisma }: ThroughPrisma,
  ids: readonly string[],
): Promise<number> {
  if (ids.length === 0) return 0
  return (await throughPrisma.query(RELEASE, ids, PRIORITY_STEP_MINUTES)).length
}

export async function holdOrders(
  { throughPrisma }: ThroughPrisma,
  rows: readonly { id: string; heldFor: string | null }[],
): Promise<void> {
  if (rows.length > 0) await throughPrisma.query(HOLD, toJson(rows.toSorted(byId)))
}
