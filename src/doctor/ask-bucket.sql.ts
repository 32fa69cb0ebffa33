import { pauseOf } from '../budget/pause.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'

/** Filled to now; also of a project that has no bucket, or is unknown. $1 project. */
const TEXT = `
SELECT
  b.project_id IS NOT NULL AS "hasBucket",
  b.refill_per_second * b.rate_factor AS "perSecond",
  b.capacity AS "atOnce",
  least(
    b.capacity,
    b.tokens + greatest(0, extract(epoch FROM clock_timestamp() - b.refilled_at))::float8 * b.refill_per_second * b.rate_factor
  ) AS "tokens",
  b.blocked_reason AS "reason",
  b.blocked_until AS "until",
  coalesce(b.blocked_until > clock_timestamp(), false) AS "closed",
  b.credential_id AS "credentialId",
  c.blocked_reason AS "credentialReason",
  c.blocked_until AS "credentialUntil",
  coalesce(c.blocked_until > clock_timestamp(), false) AS "credentialClosed",
  p.detail AS "pause",
  p.until AS "pausedUntil",
  o.who AS "limitedBy",
  o.until AS "limitedUntil"
FROM (SELECT $1::text AS project_id) asked
LEFT JOIN rate_bucket b USING (project_id)
LEFT JOIN credential_bucket c USING (credential_id)
LEFT JOIN LATERAL ${pauseOf('asked.project_id')} p ON true
LEFT JOIN limit_override o ON o.project_id = asked.project_id AND (o.until IS NULL OR o.until > clock_timestamp())
`

export interface AskedBucket {
  perSecond: number
  atOnce: number
  tokens: number
  reason: string | null
  until: Date | null
  /** Blocked now, and not only waiting for its probe. */
  closed: boolean
  /** The credential that replicas pay with for the project, and the same of its own bucket. */
  credentialId: string
  credentialReason: string | null
  credentialUntil: Date | null
  credentialClosed: boolean
}

/** What people have set for a project. */
export interface AskedOperators {
  /** In words; null where it is not paused. */
  pause: string | null
  /** Null for a pause without an end. */
  pausedUntil: Date | null
  /** Who has set its limit; null where it is the configured one. */
  limitedBy: string | null
  limitedUntil: Date | null
}

/** The call budget of a project, and of the credential that pays for it: null before its first order. */
export async function askBucket(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
): Promise<{ bucket: AskedBucket | null; operators: AskedOperators }> {
  type Row = AskedOperators & ({ hasBucket: false } | ({ hasBucket: true } & AskedBucket))
  const [row] = await throughPrisma.query<Row>(TEXT, projectId)
  if (row === undefined) throw new Error('the budget was not told')
  return { bucket: row.hasBucket ? row : null, operators: row }
}
