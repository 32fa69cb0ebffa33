import { waitOfCredential } from '../budget/credential.sql.ts'
import { pauseOf } from '../budget/pause.sql.ts'
import { levelOf } from '../budget/pay.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { isFresh } from '../forecast/forecast.sql.ts'

/** Open requests, and ended ones of each state, that a summary counts at most. */
const MOST_OPEN = 100_000
const MOST_ENDED = 10_000

/** Those that ended otherwise than running, from their own index, which holds all that is asked for. */
const exceptions = (state: string) => `(
    SELECT count(*)::int FROM (
      SELECT FROM provision_request r WHERE r.project_id = $1 AND r.exception_state = '${state}' LIMIT $3::int
    ) one
  )`

/**
 * How a project stands, at a cost that has a bound, whatever it has ordered.
 *
 * No index tells which requests run: that would be an entry for each. They are what is left of all the project has, if
 * no other state has more than are counted; else at least those among its newest.
 *
 * $1 project, $2 most open requests, $3 most of each state that ended.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
open AS MATERIALIZED (
  SELECT r.id, r.request_id, r.state, r.created_at, r.updated_at
  FROM provision_request r
  WHERE r.project_id = $1 AND r.completed_at IS NULL
  ORDER BY r.id
  LIMIT $2::int
),
counted AS MATERIALIZED (
  SELECT
    (SELECT count(*)::int FROM open) AS open,
    ${exceptions('partially_running')} AS partially_running,
    ${exceptions('failed')} AS failed,
    ${exceptions('expired')} AS expired,
    ${exceptions('cancelled')} AS cancelled
),
others AS MATERIALIZED (
  SELECT c.open + c.partially_running + c.failed + c.expired + c.cancelled AS n,
    c.open >= $2::int OR greatest(c.partially_running, c.failed, c.expired, c.cancelled) >= $3::int AS capped
  FROM counted c
),
kept AS MATERIALIZED (
  SELECT count(*)::int AS n
  FROM (
    SELECT FROM provision_request r WHERE r.project_id = $1
    ORDER BY r.id DESC
    LIMIT (SELECT n + $3::int FROM others)
  ) one
),
running AS MATERIALIZED (
  SELECT CASE
    WHEN NOT others.capped THEN kept.n - others.n
    ELSE (
      SELECT count(*)::int
      FROM (
        SELECT r.state FROM provision_request r WHERE r.project_id = $1 ORDER BY r.id DESC LIMIT $3::int
      ) newest
      WHERE newest.state = 'running'
    )
  END AS n
  FROM others, kept
)
SELECT
  (SELECT json_object_agg(by_state.state, by_state.n) FROM (SELECT state, count(*) AS n FROM open GROUP BY state) by_state) AS "open",
  json_build_object(
    'running', running.n, 'partially_running', counted.partially_running, 'failed', counted.failed,
    'expired', counted.expired, 'cancelled', counted.cancelled
  ) AS "ended",
  others.capped OR running.n >= $3::int AS "capped",
  (SELECT o.request_id FROM open o WHERE o.state = 'queued' ORDER BY o.id LIMIT 1) AS "oldestWaiting",
  (SELECT o.request_id FROM open o WHERE o.state = 'uncertain' ORDER BY o.updated_at LIMIT 1) AS "oldestUncertain",
  (SELECT min(o.updated_at) FROM open o WHERE o.state = 'uncertain') AS "uncertainSince",
  b.project_id IS NOT NULL AS "hasBucket",
  level.tokens AS "level",
  level.refill AS "rate",
  greatest(b.blocked_until, k.blocked_until) AS "blockedUntil",
  coalesce(k.blocked_reason, b.blocked_reason) AS "blockedReason",
  f.length AS "queueLength",
  f.length_ms AS "queueMs",
  f.computed_at AS "computedAt",
  p.since IS NOT NULL AS "paused",
  p.until AS "pausedUntil",
  o.per_second AS "overridePerSecond",
  o.burst AS "overrideBurst",
  o.until AS "overrideUntil"
FROM counted
CROSS JOIN others
CROSS JOIN running
CROSS JOIN clock
LEFT JOIN rate_bucket b ON b.project_id = $1
LEFT JOIN LATERAL ${levelOf('0')} level ON true
LEFT JOIN LATERAL ${waitOfCredential('b')} k ON true
LEFT JOIN forecast f ON f.project_id = $1 AND ${isFresh('f')}
LEFT JOIN LATERAL ${pauseOf('$1')} p ON true
LEFT JOIN limit_override o ON o.project_id = $1 AND (o.until IS NULL OR o.until > clock.ts)
`

type Counts<State extends string> = Record<State, number>

export interface SummaryRow {
  open: Partial<Counts<'queued' | 'dispatching' | 'uncertain' | 'provisioning'>> | null
  ended: Counts<'running' | 'partially_running' | 'failed' | 'expired' | 'cancelled'>
  /** A count may be higher than it says. */
  capped: boolean
  /** The request that was stored first of those queued. */
  oldestWaiting: string | null
  oldestUncertain: string | null
  uncertainSince: Date | null
  hasBucket: boolean
  /** Tokens, calls per second: of the bucket; null without one. */
  level: number | null
  rate: number | null
  blockedUntil: Date | null
  blockedReason: string | null
  /** Of the project's forecast: requests in its queue, the time to the turn of the last one. */
  queueLength: number | null
  queueMs: number | null
  computedAt: Date | null
  /** Of the pause that ends last, its own or that of all projects. */
  paused: boolean
  pausedUntil: Date | null
  /** Its limit as a person has set it; null where none has. */
  overridePerSecond: number | null
  overrideBurst: number | null
  overrideUntil: Date | null
}

export async function readSummary(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
  { mostOpen = MOST_OPEN, mostEnded = MOST_ENDED } = {},
): Promise<SummaryRow> {
  const [row] = await throughPrisma.query<SummaryRow>(TEXT, projectId, mostOpen, mostEnded)
  if (row === undefined) throw new Error('the summary told nothing')
  return row
}
