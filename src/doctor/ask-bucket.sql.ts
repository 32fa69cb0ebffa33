import type { ThroughPrisma } from '../database/database.ts'

/** Filled to now. $1 project. */
const TEXT = `
SELECT
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
  coalesce(c.blocked_until > clock_timestamp(), false) AS "credentialClosed"
FROM rate_bucket b
LEFT JOIN credential_bucket c USING (credential_id)
WHERE b.project_id = $1
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

/** The call budget of a project, and of the credential that pays for it; undefined before its first order. */
export async function askBucket(
  { throughPrisma }: ThroughPrisma,
  projectId: string,
): Promise<AskedBucket | undefined> {
  const [bucket] = await throughPrisma.query<AskedBucket>(TEXT, projectId)
  return bucket
}
