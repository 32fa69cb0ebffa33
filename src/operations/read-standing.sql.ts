import type { ThroughPrisma } from '../database/database.ts'
import { BYTES_PER_REF } from '../telemetry/database-figures.ts'

/** How far what has been due since then (SQL) is behind its time, in seconds. */
const late = (since: string) => `greatest(0, extract(epoch FROM clock.ts - ${since}))`

/**
 * The processes of the service, who does what for all, and how far the longest due work of each duty is behind its time: from
 * small tables, and from the heads of indexes.
 *
 * relay      the first event that waits to be published
 * reconcile  the look that is due for longest
 * sweep      the retry or deadline that is due for longest
 * rescue     the lease that has been over for longest, of a replica that still holds claims
 * runs       the run that has waited for longest, while none is carried out
 * dispatch   the project whose turn came first, unless its credential holds it back
 * poll       the poll that is due for longest
 *
 * $1 most replicas, $2 most segments of the outbox.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
replicas AS MATERIALIZED (
  SELECT r.*, r.lease_until <= clock.ts AS silent
  FROM replica r
  CROSS JOIN clock
  ORDER BY r.lease_until <= clock.ts, r.started_at, r.id
  LIMIT $1::int
)
SELECT
  clock.ts AS "now",
  (
    SELECT coalesce(json_agg(json_build_object(
      'id', r.id, 'host', r.host, 'version', r.version, 'roles', r.roles, 'since', r.started_at, 'seenAt', r.seen_at,
      'silent', r.silent
    ) ORDER BY r.silent, r.started_at, r.id), '[]')
    FROM replicas r
  ) AS "replicas",
  (
    SELECT coalesce(json_object_agg(d.duty, d.replica_id), '{}') FROM duty_lease d WHERE d.lease_until > clock.ts
  ) AS "holders",
  json_build_object(
    'relay', (SELECT ${late('s.created_at')} FROM outbox_segment s ORDER BY s.position LIMIT 1),
    'reconcile', (SELECT ${late('l.due_at')} FROM look l WHERE l.purpose = 'doubt' ORDER BY l.due_at LIMIT 1),
    'sweep', greatest(
      (SELECT ${late('r.retry_at')} FROM provision_request r WHERE r.retry_at IS NOT NULL ORDER BY r.retry_at LIMIT 1),
      (SELECT ${late('r.expires_at')} FROM provision_request r WHERE r.expires_at IS NOT NULL ORDER BY r.expires_at LIMIT 1)
    ),
    'rescue', (SELECT max(${late('r.lease_until')}) FROM replicas r WHERE r.silent),
    'runs', (
      SELECT ${late('o.created_at')}
      FROM operation_run o
      WHERE o.finished_at IS NULL AND NOT EXISTS (
        SELECT FROM operation_run b WHERE b.finished_at IS NULL AND b.started_at IS NOT NULL
      )
      ORDER BY o.created_at, o.id
      LIMIT 1
    ),
    'dispatch', (
      SELECT ${late('min(greatest(b.due_at, k.due_at))')}
      FROM (SELECT due_at, credential_id FROM rate_bucket WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 100) b
      LEFT JOIN LATERAL (
        SELECT one.due_at FROM credential_bucket one WHERE one.credential_id = b.credential_id OFFSET 0
      ) k ON true
    ),
    'poll', (SELECT ${late('p.due_at')} FROM poll p ORDER BY p.due_at LIMIT 1)
  ) AS "late",
  (SELECT s.created_at FROM outbox_segment s ORDER BY s.position LIMIT 1) AS "oldestEventAt",
  (
    SELECT coalesce(round(sum(coalesce(
      (octet_length(one.refs) + 1) / ${BYTES_PER_REF}::float8, json_array_length(one.rejections::json)
    ))), 0)::int
    FROM (SELECT s.refs, s.rejections FROM outbox_segment s ORDER BY s.position LIMIT $2::int) one
  ) AS "events"
FROM clock
`

export interface StandingRow {
  now: Date
  /** Times in RFC 3339. */
  replicas: {
    id: string
    host: string
    version: string
    roles: string[]
    since: string
    seenAt: string
    silent: boolean
  }[]
  /** Ids of replicas by duty. */
  holders: Record<string, string>
  /** Seconds; null where nothing waits. */
  late: Record<'relay' | 'reconcile' | 'sweep' | 'rescue' | 'runs' | 'dispatch' | 'poll', number | null>
  oldestEventAt: Date | null
  events: number
}

export async function readStanding(
  { throughPrisma }: ThroughPrisma,
  { mostReplicas, mostSegments }: { mostReplicas: number; mostSegments: number },
): Promise<StandingRow> {
  const [row] = await throughPrisma.query<StandingRow>(TEXT, mostReplicas, mostSegments)
  if (row === undefined) throw new Error('the standing told nothing')
  return row
}
