import { UNLIMITED } from '../budget/credential.sql.ts'
import { ALL_PROJECTS } from '../budget/pause.sql.ts'
import { levelOf } from '../budget/pay.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'

/** Why nobody may call with a credential; one that has yet to prove itself is not refused. */
const REFUSED = `nullif(c.blocked_reason, 'unproven')`

/** What comes first of projects `s`: closed, paused, with a limit set by a person, then those with the least left. */
const BY_TROUBLE = 's.reason IS NULL, NOT s.paused, NOT s.overridden, s.used DESC, NOT s.waits, s.project_id'

/**
 * What every call limit holds, and what people have set. There is one row per project that orders or is paused, and one per
 * credential.
 *
 * $1 most projects and most credentials.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
pauses AS MATERIALIZED (
  SELECT p.* FROM pause p, clock WHERE p.until IS NULL OR p.until > clock.ts
),
overrides AS MATERIALIZED (
  SELECT o.* FROM limit_override o, clock WHERE o.until IS NULL OR o.until > clock.ts
),
shared AS MATERIALIZED (
  SELECT c.*, 1::float8 AS rate_factor FROM credential_bucket c
),
buckets AS MATERIALIZED (
  SELECT
    b.project_id, b.credential_id, b.due_at IS NOT NULL AS waits,
    coalesce(${REFUSED}, b.blocked_reason) AS reason,
    ${REFUSED} IS NOT NULL AS refused,
    greatest(b.blocked_until, CASE WHEN ${REFUSED} IS NOT NULL THEN c.blocked_until END) AS until,
    level.refill, level.tokens, 1 - level.tokens / level.capacity AS used,
    p.project_id IS NOT NULL AS paused, p.until AS paused_until,
    o.project_id IS NOT NULL AS overridden, o.until AS override_until, o.burst
  FROM rate_bucket b
  CROSS JOIN clock
  LEFT JOIN shared c ON c.credential_id = b.credential_id
  LEFT JOIN pauses p ON p.project_id = b.project_id
  LEFT JOIN overrides o ON o.project_id = b.project_id
  CROSS JOIN LATERAL ${levelOf('0')} level
),
-- A project may be paused before it orders.
projects AS MATERIALIZED (
  SELECT b.* FROM buckets b
  UNION ALL
  SELECT p.project_id, 'none', false, NULL, false, NULL, NULL, NULL, 0, true, p.until, false, NULL, NULL
  FROM pauses p
  WHERE p.project_id <> '${ALL_PROJECTS}' AND NOT EXISTS (SELECT FROM buckets b WHERE b.project_id = p.project_id)
),
shown AS (
  SELECT s.* FROM projects s ORDER BY ${BY_TROUBLE} LIMIT $1::int
)
SELECT
  (
    SELECT coalesce(json_agg(json_build_object(
      'projectId', s.project_id, 'credentialId', s.credential_id, 'waits', s.waits, 'reason', s.reason,
      'until', s.until, 'rate', s.refill, 'level', s.tokens, 'used', s.used, 'paused', s.paused,
      'pausedUntil', s.paused_until, 'overridden', s.overridden, 'overrideUntil', s.override_until, 'burst', s.burst
    ) ORDER BY ${BY_TROUBLE}), '[]')
    FROM shown s
  ) AS "projects",
  (
    SELECT json_build_object(
      'projects', count(*), 'waiting', count(*) FILTER (WHERE b.waits), 'closed', count(b.reason),
      'paused', count(*) FILTER (WHERE b.paused), 'overridden', count(*) FILTER (WHERE b.overridden)
    )
    FROM projects b
  ) AS "totals",
  (
    SELECT coalesce(json_object_agg(r.reason, r.n), '{}')
    FROM (SELECT b.reason, count(*) AS n FROM buckets b WHERE b.reason IS NOT NULL AND NOT b.refused GROUP BY b.reason) r
  ) AS "closed",
  (
    SELECT coalesce(json_agg(json_build_object(
      'credentialId', l.credential_id, 'limited', l.limited, 'reason', l.reason, 'until', l.until,
      'proven', l.proven, 'rate', l.refill, 'level', l.tokens, 'used', l.used, 'projects', l.projects
    ) ORDER BY l.reason IS NULL, l.used DESC, l.credential_id), '[]')
    FROM (
      SELECT
        c.credential_id, c.capacity < ${UNLIMITED.capacity} AS limited, ${REFUSED} AS reason,
        CASE WHEN ${REFUSED} IS NOT NULL THEN c.blocked_until END AS until,
        coalesce(c.blocked_reason <> 'unproven', true) AS proven,
        level.refill, level.tokens, 1 - level.tokens / level.capacity AS used,
        (SELECT count(*) FROM buckets b WHERE b.credential_id = c.credential_id) AS projects
      FROM shared c
      CROSS JOIN clock
      CROSS JOIN LATERAL ${levelOf('0', 'c')} level
      ORDER BY ${REFUSED} IS NULL, c.credential_id
      LIMIT $1::int
    ) l
  ) AS "credentials",
  (
    SELECT json_build_object('since', p.since, 'until', p.until, 'who', p.who, 'reason', p.reason)
    FROM pauses p
    WHERE p.project_id = '${ALL_PROJECTS}'
  ) AS "paused"
FROM clock
`

/** What a bucket holds: levels in calls, rates in calls per second, `used` 0..1, times in RFC 3339. */
interface Level {
  reason: string | null
  until: string | null
  used: number
}

export interface ProjectLevel extends Level {
  projectId: string
  /** 'none' where the project has none of its own. */
  credentialId: string
  /** Null without a bucket. */
  rate: number | null
  level: number | null
  waits: boolean
  paused: boolean
  pausedUntil: string | null
  overridden: boolean
  overrideUntil: string | null
  /** As a person has set it; null where none has. */
  burst: number | null
}

export interface CredentialLevel extends Level {
  credentialId: string
  rate: number
  level: number
  limited: boolean
  /** CloudDC has accepted or refused it. */
  proven: boolean
  projects: number
}

export interface LevelsRow {
  projects: ProjectLevel[]
  totals: { projects: number; waiting: number; closed: number; paused: number; overridden: number }
  /** Projects by the reason why they are closed, those of a refused credential left out. */
  closed: Record<string, number>
  credentials: CredentialLevel[]
  /** The pause of all projects. */
  paused: { since: string; until: string | null; who: string; reason: string } | null
}

export async function readLevels({ throughPrisma }: ThroughPrisma, most: number): Promise<LevelsRow> {
  const [row] = await throughPrisma.query<LevelsRow>(TEXT, most)
  if (row === undefined) throw new Error('the levels told nothing')
  return row
}
