/**
 * How far the longest due row of each duty is behind its time, in seconds, 0 where none is: pieces of statements with a CTE
 * `clock` (`ts`), each from the head of an index. They grow while nobody does the duty.
 */

/** How far what has been due since then (SQL) is behind its time; null where nothing is. */
export const late = (since: string): string => `greatest(0, extract(epoch FROM clock.ts - ${since}))`

const orZero = (read: string) => `coalesce((${read}), 0)::float8`

export const OVERDUE = {
  retry: orZero(
    `SELECT ${late('r.retry_at')} FROM provision_request r WHERE r.retry_at IS NOT NULL ORDER BY r.retry_at LIMIT 1`,
  ),
  expiry: orZero(
    `SELECT ${late('r.expires_at')} FROM provision_request r WHERE r.expires_at IS NOT NULL ORDER BY r.expires_at LIMIT 1`,
  ),
  poll: orZero(`SELECT ${late('p.due_at')} FROM poll p ORDER BY p.due_at LIMIT 1`),
  reconcile: orZero(
    `SELECT ${late('l.due_at')} FROM look l WHERE l.purpose = 'doubt' ORDER BY l.due_at LIMIT 1`,
  ),
}

/**
 * Of the first `most` projects in line (SQL) but for those of the CTE `pauses` (`project_id`). A project is not due while its
 * credential is not.
 */
export const dispatchOverdue = (most: string): string =>
  orZero(`
    SELECT ${late('min(greatest(b.due_at, k.due_at))')}
    FROM (
      SELECT due_at, credential_id
      FROM rate_bucket
      WHERE due_at IS NOT NULL
        AND '*' NOT IN (SELECT project_id FROM pauses) AND project_id NOT IN (SELECT project_id FROM pauses)
      ORDER BY due_at
      LIMIT ${most}
    ) b
    LEFT JOIN LATERAL (
      SELECT one.due_at FROM credential_bucket one WHERE one.credential_id = b.credential_id OFFSET 0
    ) k ON true
  `)
