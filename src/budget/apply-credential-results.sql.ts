import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { AFTER_SILENCE } from './credential.sql.ts'
import { refundTo } from './pay.sql.ts'

/**
 * Applies call results to the buckets of credentials, as apply-call-results does to those of projects: `clear` ends a
 * block, `trouble` counts one more and closes it for all projects and replicas, `unused` only gives tokens back, `silent` is
 * a probe that says nothing.
 *
 * Calls that fail while it is closed are the same trouble; one that says for how long (`leastMs`) may prolong it. Those that
 * lock keys are all counted. One that succeeds then was sent before. A probe that came back without a call lets the next
 * one go, one that says nothing a little later.
 *
 * One statement, and a transaction of its own (credential.sql.ts): what is lost with a process that ends before it, the
 * next call finds out.
 *
 * The new row is made from the locked one alone: a CHECK sees it before Postgres notices that the row of its snapshot is
 * old.
 *
 * $1 rows as JSON.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "credentialId" text, "effect" text, "leastMs" float8, "refusals" int, "firstMs" float8, "mostMs" float8, "lockingMs" float8[], "jitter" float8, "refunds" json
  )
),
locked AS MATERIALIZED (
  SELECT c.*, state.open,
    CASE WHEN state.open
      THEN greatest(i."leastMs", closed.ms * (1 + i."jitter"))
      ELSE i."leastMs"
    END AS block_ms,
    ${refundTo('c')} AS refund
  FROM credential_bucket c
  JOIN input i ON i."credentialId" = c.credential_id
  CROSS JOIN clock
  CROSS JOIN LATERAL (SELECT c.blocked_until IS NULL OR c.blocked_until <= clock.ts AS open) state
  CROSS JOIN LATERAL (
    SELECT CASE
      WHEN i."refusals" = 0 THEN least(i."mostMs", i."firstMs" * 2 ^ least(c.troubles, 30))
      WHEN c.troubles = 0 THEN i."lockingMs"[1]
      ELSE i."lockingMs"[least(c.troubles + i."refusals", cardinality(i."lockingMs"))]
    END AS ms
  ) closed
  ORDER BY c.credential_id
  FOR UPDATE OF c
)
UPDATE credential_bucket c
SET
  tokens = least(l.capacity, l.tokens + l.refund),
  troubles = CASE i."effect"
    WHEN 'clear' THEN CASE WHEN l.open THEN 0 ELSE l.troubles END
    WHEN 'trouble' THEN l.troubles + greatest(i."refusals", l.open::int)
    ELSE l.troubles
  END,
  blocked_until = CASE i."effect"
    WHEN 'clear' THEN CASE WHEN NOT l.open THEN l.blocked_until END
    WHEN 'trouble' THEN greatest(l.blocked_until, clock.ts + make_interval(secs => l.block_ms / 1000))
    ELSE l.blocked_until
  END,
  blocked_reason = CASE i."effect"
    WHEN 'clear' THEN CASE WHEN NOT l.open THEN l.blocked_reason END
    WHEN 'trouble' THEN 'unauthorized'
    ELSE l.blocked_reason
  END,
  due_at = CASE
    WHEN i."effect" = 'trouble'
    THEN greatest(l.blocked_until, clock.ts + make_interval(secs => l.block_ms / 1000))
    WHEN l.open AND i."effect" = 'silent' AND l.blocked_until IS NOT NULL THEN ${AFTER_SILENCE}
    WHEN l.open AND (i."effect" = 'clear' OR l.blocked_until IS NOT NULL OR l.refund > 0) THEN NULL
    ELSE l.due_at
  END
FROM locked l
JOIN input i ON i."credentialId" = l.credential_id
CROSS JOIN clock
WHERE c.credential_id = l.credential_id
RETURNING c.credential_id AS "credentialId"
`

export interface CredentialEffect {
  credentialId: string
  effect: 'clear' | 'trouble' | 'unused' | 'silent'
  /** For `trouble`: the credential stays closed for so long at least; null where nothing is said. */
  leastMs: number | null
  /** For `trouble`: how many refusals of the kind that, in a row, locks a key; 0 for others. */
  refusals: number
  /** For each call that was paid for and not made, the name of its payment (PaidCall). */
  refunds: readonly string[]
}

/** How long a refused credential stays closed, doubling with the troubles in a row. */
const REFUSED = { firstMs: 5000, mostMs: 300_000 }
/**
 * After a wrong key: at first, and by the refusals in a row. A key is locked by five of them, so that after four nothing is
 * tried for ten minutes. Calls under way may be refused together: where they are five, the key is locked or will not be.
 * What another fetch or the right time may mend is tried sooner.
 */
const LOCKING_MS = [5000, 60_000, 300_000, 600_000, 300_000]
/** A part of the time that is added. */
const JITTER_PART = 0.1

/** At most one row per credential. */
export async function applyCredentialResults(
  { throughPrisma }: ThroughPrisma,
  rows: readonly CredentialEffect[],
): Promise<void> {
  if (rows.length === 0) return
  await throughPrisma.query(
    TEXT,
    toJson(
      rows.map((row) => ({
        ...row,
        ...REFUSED,
        lockingMs: LOCKING_MS,
        jitter: Math.random() * JITTER_PART,
      })),
    ),
  )
}
