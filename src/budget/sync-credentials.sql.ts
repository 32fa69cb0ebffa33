import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { UNLIMITED } from './credential.sql.ts'
import type { BucketLimit } from './token-bucket.ts'

/**
 * Gives each credential its row, and brings the limits to the configured ones. A new credential has yet to prove itself
 * (credential.sql.ts). A limit that begins or ends counts from now on, a changed one keeps its level. A limit that is
 * configured no more ends.
 *
 * $1 credentials with their limits as JSON.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
wanted AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS w("credentialId" text, "refillPerSecond" float8, "capacity" float8)
),
added AS (
  INSERT INTO credential_bucket (credential_id, refill_per_second, capacity, tokens, refilled_at, blocked_until, blocked_reason)
  SELECT w."credentialId", w."refillPerSecond", w."capacity", 1, clock.ts, clock.ts, 'unproven'
  FROM wanted w
  CROSS JOIN clock
  ORDER BY w."credentialId"
  ON CONFLICT (credential_id) DO NOTHING
),
changed AS MATERIALIZED (
  SELECT c.credential_id,
    coalesce(w."refillPerSecond", ${UNLIMITED.refillPerSecond}) AS refill_per_second,
    coalesce(w."capacity", ${UNLIMITED.capacity}) AS capacity
  FROM credential_bucket c
  LEFT JOIN wanted w ON w."credentialId" = c.credential_id
  WHERE (c.refill_per_second, c.capacity) IS DISTINCT FROM
    (coalesce(w."refillPerSecond", ${UNLIMITED.refillPerSecond}), coalesce(w."capacity", ${UNLIMITED.capacity}))
  ORDER BY c.credential_id
  FOR UPDATE OF c
)
UPDATE credential_bucket c
SET
  refill_per_second = n.refill_per_second,
  capacity = n.capacity,
  tokens = CASE WHEN c.capacity < ${UNLIMITED.capacity} THEN least(c.tokens, n.capacity) ELSE 0 END,
  refilled_at = CASE WHEN c.capacity < ${UNLIMITED.capacity} THEN c.refilled_at ELSE clock.ts END
FROM changed n
CROSS JOIN clock
WHERE c.credential_id = n.credential_id
`

/** The bucket of one credential. */
export interface CredentialLimit extends BucketLimit {
  credentialId: string
}

/** `credentials`: all that there are, UNLIMITED where they have no limit of their own. */
export async function syncCredentials(
  { throughPrisma }: ThroughPrisma,
  credentials: readonly CredentialLimit[],
): Promise<void> {
  await throughPrisma.query(TEXT, toJson(credentials))
}
