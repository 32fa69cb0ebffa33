import { creatingGrant, levelOf, WORTHWHILE } from './pay.sql.ts'
import type { BucketLimit } from './token-bucket.ts'

/**
 * The bucket of a credential, which all its projects share: a second one beside the project's, by the same rules
 * (pay.sql.ts). A statement that pays takes the least of what both grant, and pays both.
 *
 * A credential without a limit of its own that is not refused holds nobody back: its row is neither locked nor written.
 * The row of any other is locked after those of projects, in the order of ids, and by statements that are transactions of
 * their own: they wait for each other for a moment at most, and never for a process that stopped.
 *
 * `due_at` of a credential holds all its projects back until then: its next token, the end of a block, the end of the
 * wait for a probe. The projects keep their place in the line meanwhile, and nothing has to be written for them when the
 * credential opens.
 *
 * A credential that is refused closes like a project's bucket, and then sends one probe at a time, of whatever project,
 * creating or reading. So does one that nobody has seen accepted (`unproven`): wrong keys in a row lock an account.
 */

/** The bucket of a credential without a limit: nobody takes so much. */
export const UNLIMITED: BucketLimit = { refillPerSecond: 1e6, capacity: 1e9 }
/** How long the next probe waits for the outcome of one: longer than calls take, whose refusals would add up. */
const PROBE_SECONDS = 35
/** How long after a probe that says nothing, and after the first call ever where that says nothing. */
const SILENCE_SECONDS = 5
const FIRST_SILENCE_SECONDS = 1
/** Creating has found a credential short of tokens so lately that it waits for the next one. */
const BUSY = `coalesce(c.due_at > clock.ts - interval '1 second', false)`

/** Credentials whose turn has not come, for a CTE (`credential_id`, `due_at`). */
export const WAITING_CREDENTIALS = `SELECT c.credential_id, c.due_at
  FROM credential_bucket c, clock
  WHERE c.due_at > clock.ts`

/** Locks the credentials of the rows of a CTE `buckets`, those that may hold calls back, for a CTE named `credentials`. */
export const lockCredentials = (buckets: string): string => `SELECT c.*, 1::float8 AS rate_factor
  FROM credential_bucket c
  -- An array is made before the first row is locked: the buckets are locked by then.
  WHERE c.credential_id = ANY (ARRAY(SELECT credential_id FROM ${buckets}))
    AND (c.capacity < ${UNLIMITED.capacity} OR c.blocked_until IS NOT NULL)
  ORDER BY c.credential_id
  FOR UPDATE OF c`

/**
 * What the locked credentials hold, for a CTE: `levelOf`, `probing`, and the number of calls that they pay for together
 * (`available`): by `grant`, an SQL expression of `c`, `level` and `clock`, by default that of creating calls.
 */
export const credentialLevels = (share: string, grant = creatingGrant('c')): string => `SELECT
    c.credential_id,
    c.due_at,
    level.*,
    ${WORTHWHILE} AS worthwhile,
    c.blocked_until,
    c.blocked_until IS NOT NULL AS probing,
    CASE WHEN c.blocked_until IS NOT NULL AND c.due_at > clock.ts THEN 0 ELSE ${grant} END AS available
  FROM credentials c
  CROSS JOIN clock
  CROSS JOIN LATERAL ${levelOf(share, 'c', BUSY)} level`

/**
 * What falls to each project of a limited credential, for a CTE (`credential_id`, `per_second`), where all that have work
 * and are not closed have the same part; of the credentials of the rows of a CTE `projects`.
 */
export const sharesOfCredentials = (
  projects: string,
): string => `SELECT c.credential_id, c.refill_per_second / greatest(1, working.count) AS per_second
  FROM credential_bucket c
  -- Counted for these credentials alone: mostly there are none.
  CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM rate_bucket b
    WHERE b.credential_id = c.credential_id AND b.blocked_until IS NULL
      AND (b.due_at IS NOT NULL OR b.preflight_at IS NOT NULL)
  ) working
  WHERE c.credential_id IN (SELECT credential_id FROM ${projects}) AND c.capacity < ${UNLIMITED.capacity}`

/** What a credential pays for of reading calls: like a project's bucket, by the share gathered while it is short. */
export const READING_OF_CREDENTIAL = `CASE
      WHEN level.closed OR level.tokens < 1 THEN 0
      WHEN c.blocked_until IS NOT NULL THEN 1
      WHEN NOT level.busy THEN floor(level.tokens)
      WHEN level.poll_credit >= 1 THEN 1
      ELSE 0
    END::int`

/** When a credential's projects have their next turn after it has sent a probe whose outcome is not known. */
export const AFTER_PROBE = `(clock.ts + interval '${PROBE_SECONDS} seconds')`

/** The same once the probe is known to say nothing, of the credential in row `l`. */
export const AFTER_SILENCE = `(clock.ts + make_interval(secs =>
      CASE WHEN l.blocked_reason = 'unproven' THEN ${FIRST_SILENCE_SECONDS} ELSE ${SILENCE_SECONDS} END))`

/**
 * When a reading call tries credential `c` again that has a probe out: that of a new one is most likely accepted soon, that of a
 * refused one is not waited for.
 */
export const tryAgainAt = (c: string): string => `CASE
      WHEN ${c}.blocked_reason = 'unproven' THEN least(${c}.due_at, clock.ts + interval '${FIRST_SILENCE_SECONDS} seconds')
      ELSE ${c}.due_at
    END`

/**
 * What the credential of bucket `b` lets its project wait for, for a LEFT JOIN LATERAL: `due_at`, and while it is refused
 * `blocked_until` and `blocked_reason`.
 */
export const waitOfCredential = (b: string): string => `(
  SELECT one.due_at,
    CASE WHEN one.blocked_reason <> 'unproven' THEN one.blocked_until END AS blocked_until,
    CASE WHEN one.blocked_reason <> 'unproven' THEN one.blocked_reason END AS blocked_reason
  FROM credential_bucket one
  WHERE one.credential_id = ${b}.credential_id
  OFFSET 0
)`
