import { UNLIMITED } from './credential.sql.ts'

/**
 * Projects whose calls CloudDC refuses (`forbidden`, `misconfigured`) may be a thousand misspelt ones, and their probes
 * are calls of the credential that healthy projects wait for. So the more of them one credential has, the rarer each is
 * probed: all together so many times a second at most, or this part of what the credential is limited to.
 */
const PROBES_PER_SECOND = 2
const PROBES_PART = 0.05
/** None is probed more rarely than that: somebody may have mended it. */
const MOST_SECONDS = 1800

/**
 * How long the trouble in row `i` (apply-call-results) closes bucket `b`, in milliseconds (SQL); null where it does not.
 * What they take longer is jittered by a quarter.
 */
export const closedMs = (b: string): string => `CASE
      WHEN i."blockMs" IS NOT NULL AND i."reason" IN ('forbidden', 'misconfigured') THEN greatest(i."blockMs", (
        SELECT 1000 * least(${MOST_SECONDS}, others.count / least(${PROBES_PER_SECOND}, ${PROBES_PART} * others.refill) * (0.75 + random() / 2))
        FROM (
          SELECT count(*) AS count, coalesce((
            SELECT c.refill_per_second FROM credential_bucket c WHERE c.credential_id = ${b}.credential_id
          ), ${UNLIMITED.refillPerSecond}) AS refill
          FROM rate_bucket o
          WHERE o.credential_id = ${b}.credential_id AND o.blocked_reason IN ('forbidden', 'misconfigured')
        ) others
      ))
      ELSE i."blockMs"
    END`
