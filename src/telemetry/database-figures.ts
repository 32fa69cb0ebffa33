import type { Logger } from 'pino'
import { Gauge } from 'prom-client'
import type { ThroughPrisma } from '../database/database.ts'
import { createOutageLog } from '../runtime/outage-log.ts'
import { COUNT_CAP, FIGURE_GAUGES, type Figures } from './figure-gauges.ts'
import type { Metrics } from './metrics.ts'
import { dispatchOverdue, late, OVERDUE } from './overdue.sql.ts'

/** A scrape does not wait longer than this for a database that hangs, in milliseconds. */
const DEADLINE_MS = 3000

/** The shortest time between two reads, in milliseconds, however often and by whomever /metrics is asked. */
const FRESH_MS = 5000

/** So many credentials are shown by name, those that are refused first. */
const MOST_CREDENTIALS = 100

/** Bytes of an event's reference in a segment, with its comma (request/change.sql.ts). */
export const BYTES_PER_REF = 43

/**
 * Everything a scrape wants to know about rows, from small tables and partial indexes: counts end at the cap, ages come
 * from the head of an index. All ages are in seconds, 0 where nothing waits.
 *
 * dispatching  a claim counts as a whole until the last of its requests has its outcome
 * doubts       a request without an outcome was last changed when it became uncertain
 * waiting      a segment's events by its size, which is known without reading it; rejections one by one
 * overdue      how far the longest due row of each duty is behind its time
 *
 * $1 the cap.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
pauses AS MATERIALIZED (
  SELECT p.project_id FROM pause p, clock WHERE p.until IS NULL OR p.until > clock.ts
)
SELECT
  (SELECT count(*) FROM (
    SELECT 1 FROM provision_request WHERE queue_rank IS NOT NULL LIMIT $1::int
  ) capped)::int AS "eligible",
  (SELECT count(*) FROM (
    SELECT 1 FROM provision_request WHERE retry_at IS NOT NULL LIMIT $1::int
  ) capped)::int AS "retrying",
  (SELECT count(*) FROM (
    SELECT unnest(request_ids) FROM claim LIMIT $1::int
  ) capped)::int AS "dispatching",
  doubts.n AS "uncertain",
  doubts.oldest AS "uncertainAge",
  pending.requests AS "provisioning",
  pending.n AS "pendingInstances",
  waiting.n AS "outboxWaiting",
  coalesce((
    SELECT ${late('created_at')} FROM outbox_segment ORDER BY position LIMIT 1
  ), 0)::float8 AS "outboxAge",
  ${dispatchOverdue('$1::int')} AS "dispatchOverdue",
  ${OVERDUE.retry} AS "retryOverdue",
  ${OVERDUE.expiry} AS "expiryOverdue",
  ${OVERDUE.poll} AS "pollOverdue",
  ${OVERDUE.reconcile} AS "reconcileOverdue",
  (
    SELECT coalesce(json_object_agg(by_reason.blocked_reason, by_reason.n), '{}')
    FROM (
      SELECT capped.blocked_reason, count(*)::int AS n
      FROM (
        SELECT coalesce(nullif(k.blocked_reason, 'unproven'), b.blocked_reason) AS blocked_reason
        FROM rate_bucket b
        LEFT JOIN credential_bucket k USING (credential_id)
        WHERE b.due_at IS NOT NULL
        LIMIT $1::int
      ) capped
      WHERE capped.blocked_reason IS NOT NULL
      GROUP BY capped.blocked_reason
    ) by_reason
  ) AS "blockedBuckets",
  (
    SELECT coalesce(json_object_agg(k.credential_id, k.blocked), '{}')
    FROM (
      SELECT credential_id, (coalesce(blocked_reason, 'unproven') <> 'unproven')::int AS blocked
      FROM credential_bucket
      ORDER BY blocked DESC, credential_id
      LIMIT ${MOST_CREDENTIALS}
    ) k
  ) AS "blockedCredentials",
  (SELECT count(*) FROM pauses)::int AS "pauses",
  (SELECT count(*) FROM replica WHERE lease_until > clock.ts)::int AS "replicas"
FROM clock
CROSS JOIN LATERAL (
  SELECT count(*)::int AS n, coalesce(extract(epoch FROM clock.ts - min(r.updated_at)), 0)::float8 AS oldest
  FROM (SELECT provision_request_id FROM look WHERE purpose = 'doubt' LIMIT $1::int) capped
  LEFT JOIN LATERAL (
    SELECT one.updated_at FROM provision_request one WHERE one.id = capped.provision_request_id OFFSET 0
  ) r ON true
) doubts
CROSS JOIN LATERAL (
  SELECT count(*)::int AS n, count(DISTINCT i.provision_request_id)::int AS requests
  FROM (SELECT project_id, unnest(members) AS member FROM poll LIMIT $1::int) capped
  LEFT JOIN LATERAL (
    SELECT one.provision_request_id
    FROM instance one
    WHERE one.project_id = capped.project_id AND one.id = capped.member::json->>0
    OFFSET 0
  ) i ON true
) pending
CROSS JOIN LATERAL (
  SELECT least($1::int, coalesce(round(sum(
    coalesce((octet_length(refs) + 1) / ${BYTES_PER_REF}::float8, json_array_length(rejections::json))
  )), 0))::int AS n
  FROM (SELECT refs, rejections FROM outbox_segment LIMIT $1::int) capped
) waiting
`

/**
 * Adds the figures that only the database knows to the metrics. They are read when /metrics is asked, at most every
 * five seconds and once at a time; while the database is unreachable they are absent and provisioner_database_up is 0.
 */
export function addDatabaseFigures(options: {
  metrics: Metrics
  database: ThroughPrisma
  logger: Logger
}): void {
  const { metrics, database, logger } = options
  const outage = createOutageLog({ logger, subject: 'database figures' })
  const registers = [metrics.registry]
  let figures: Promise<Figures | null> | undefined
  let freshUntil = 0

  const read = async (): Promise<Figures | null> => {
    try {
      const [row] = await database.throughPrisma.query<Figures>(TEXT, COUNT_CAP)
      outage.recovered()
      return row ?? null
    } catch (error) {
      outage.failed(error)
      return null
    } finally {
      freshUntil = performance.now() + FRESH_MS
    }
  }

  const present = async (): Promise<Figures | null> => {
    if (figures === undefined || performance.now() >= freshUntil) {
      freshUntil = Number.POSITIVE_INFINITY
      figures = read()
    }
    const { promise: deadline, resolve } = Promise.withResolvers<null>()
    const timer = setTimeout(() => resolve(null), DEADLINE_MS)
    return Promise.race([figures, deadline]).finally(() => clearTimeout(timer))
  }

  new Gauge({
    name: 'provisioner_database_up',
    help: '1 while the database gives the figures of this scrape',
    registers,
    async collect() {
      this.set((await present()) === null ? 0 : 1)
    },
  })
  for (const { name, help, label, values } of FIGURE_GAUGES) {
    new Gauge({
      name: `provisioner_${name}`,
      help,
      labelNames: label === undefined ? [] : [label],
      registers,
      async collect() {
        const found = await present()
        this.reset()
        if (found === null) {
          if (label === undefined) this.remove()
          return
        }
        const value = values(found)
        if (typeof value === 'number') this.set(value)
        else for (const [of, count] of Object.entries(value)) this.set({ [label ?? 'of']: of }, count)
      },
    })
  }
}
