import { PAUSES } from '../budget/pause.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { BYTES_PER_REF } from '../telemetry/database-figures.ts'
import { dispatchOverdue, late, OVERDUE } from '../telemetry/overdue.sql.ts'

/** Projects in line that are looked at, the first ones. */
const MOST_IN_LINE = 100

/**
 * The processes of the service, who does what for all, and how far the longest due work of each duty is behind its time: from
 * small tables, and from the heads of indexes.
 *
 * relay      the first event that waits to be published
 * reconcile  the look that is due for longest
 * sweep      the retry or deadline that is due for longest
 * rescue     the lease that has been over for longest, of a replica that still holds claims
 * runs       the first run that is not over, from its asking or the end of the duty's lease on, whichever is later
 * dispatch   the project whose turn came first, unless its credential or a pause holds it back
 * poll       the poll that is due for longest
 *
 * $1 most replicas, $2 most segments of the outbox.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
pauses AS MATERIALIZED (
  ${PAUSES}
),
outbox AS MATERIALIZED (
  SELECT s.created_at FROM outbox_segment s ORDER BY s.position LIMIT 1
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
    'relay', (SELECT ${late('o.created_at')} FROM outbox o),
    'reconcile', ${OVERDUE.reconcile},
    'sweep', greatest(${OVERDUE.retry}, ${OVERDUE.expiry}),
    'rescue', (SELECT max(${late('r.lease_until')}) FROM replicas r WHERE r.silent),
    'runs', (
      SELECT ${late(`greatest(o.created_at, (SELECT d.lease_until FROM duty_lease d WHERE d.duty = 'runs'))`)}
      FROM operation_run o
      WHERE o.finished_at IS NULL
      ORDER BY o.created_at, o.id
      LIMIT 1
    ),
    'dispatch', ${dispatchOverdue(`${MOST_IN_LINE}`)},
    'poll', ${OVERDUE.poll}
  ) AS "late",
  (SELECT o.created_at FROM outbox o) AS "oldestEventAt",
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
  /** Seconds; 0 or null where nothing is late. */
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
