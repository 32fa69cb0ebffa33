import { UNLIMITED } from '../budget/credential.sql.ts'
import { notPaused, PAUSES } from '../budget/pause.sql.ts'
import { levelOf } from '../budget/pay.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { keyOf } from './forecast.sql.ts'

/** Places up to here are all points; beyond, each next point is further by this factor. */
const EACH_UP_TO = 20
const POINT_GROWTH = 1.15

/** SQL: the number of a point on the logarithmic scale. */
const logOf = (place: string) => `floor(ln(${place}) / ${Math.log(POINT_GROWTH)})`

/**
 * The queues of projects that have work, as points: key and place of the first requests, of ever fewer further back, and
 * of the last one. Nothing but the queues is read.
 *
 * `closed`: nothing goes, and nobody knows for how long.
 *
 * $1 most projects, the longest due first, $2 most requests of one queue.
 */
const QUEUES = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
pauses AS MATERIALIZED (
  ${PAUSES}
),
busy AS MATERIALIZED (
  SELECT b.* FROM rate_bucket b
  WHERE b.due_at IS NOT NULL
  ORDER BY b.due_at
  LIMIT $1::int
)
SELECT
  b.project_id AS "projectId",
  b.credential_id AS "credentialId",
  level.tokens AS "tokens",
  level.refill AS "perSecond",
  level.closed OR b.blocked_until IS NOT NULL OR NOT ${notPaused('b')} AS "closed",
  extract(epoch FROM clock.ts)::float8 * 1000 AS "clockMs",
  q.*
FROM busy b
CROSS JOIN clock
CROSS JOIN LATERAL ${levelOf('0')} level
CROSS JOIN LATERAL (
  SELECT
    count(*)::int AS "length",
    coalesce(json_agg(json_build_object('id', placed.id, 'key', encode(${keyOf('placed')}, 'hex'), 'place', placed.place) ORDER BY placed.place)
      FILTER (WHERE placed.is_point), '[]') AS "points"
  FROM (
    SELECT one.id, one.queue_rank, one.place,
      one.place <= ${EACH_UP_TO} OR one.next_rank IS NULL OR ${logOf('one.place')} > ${logOf('one.place - 1')} AS is_point
    FROM (
      SELECT r.id, r.queue_rank,
        row_number() OVER (ORDER BY r.queue_rank, r.id) AS place,
        lead(r.queue_rank) OVER (ORDER BY r.queue_rank, r.id) AS next_rank
      FROM provision_request r
      WHERE r.project_id || '' = b.project_id AND r.queue_rank IS NOT NULL
      ORDER BY r.queue_rank, r.id
      LIMIT $2::int
    ) one
  ) placed
) q
`

/** The credentials among $1 that hold calls back. */
const BUDGETS = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
)
SELECT
  c.credential_id AS "credentialId",
  level.tokens AS "tokens",
  level.refill AS "perSecond",
  c.blocked_until IS NOT NULL AS "closed"
FROM (SELECT one.*, 1::float8 AS rate_factor FROM credential_bucket one WHERE one.credential_id = ANY($1::text[])) c
CROSS JOIN clock
CROSS JOIN LATERAL ${levelOf('0', 'c', 'false')} level
WHERE c.capacity < ${UNLIMITED.capacity} OR c.blocked_until IS NOT NULL
`

export interface QueuePoint {
  /** The request's. */
  id: string
  /** What the queue is sorted by (forecast.sql.ts), in hex. */
  key: string
  /** From 1. */
  place: number
}

export interface QueueRow {
  projectId: string
  credentialId: string
  tokens: number
  perSecond: number
  closed: boolean
  /** Counted up to the limit. */
  length: number
  points: QueuePoint[]
  /** The database's time, in milliseconds since 1970. */
  clockMs: number
}

export interface BudgetRow {
  credentialId: string
  tokens: number
  perSecond: number
  closed: boolean
}

export function readQueues(
  { throughPrisma }: ThroughPrisma,
  { mostProjects, mostCounted }: { mostProjects: number; mostCounted: number },
): Promise<QueueRow[]> {
  return throughPrisma.query<QueueRow>(QUEUES, mostProjects, mostCounted)
}

/** Of these credentials those that are limited, or closed. */
export function readBudgets(
  { throughPrisma }: ThroughPrisma,
  credentialIds: readonly string[],
): Promise<BudgetRow[]> {
  return throughPrisma.query<BudgetRow>(BUDGETS, credentialIds)
}
