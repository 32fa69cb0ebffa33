import { sharesOfCredentials } from '../budget/credential.sql.ts'
import type { ThroughPrisma } from '../database/database.ts'

/** A reading is another replica's to make after this, in SQL. It takes less than that, however slow CloudDC is. */
const LEASE = `interval '25 seconds'`

/**
 * Takes the readings that are wanted, each for one caller: the project's next one begins when this one is recorded, or
 * its lease is over. What is wanted meanwhile shows as an earlier `preflight_at`, and is kept (record-reading).
 *
 * $1 most readings.
 */
const TAKE = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
due AS MATERIALIZED (
  SELECT b.project_id
  FROM rate_bucket b
  CROSS JOIN clock
  WHERE b.preflight_at <= clock.ts AND (b.reading_until IS NULL OR b.reading_until <= clock.ts)
  ORDER BY b.preflight_at
  LIMIT $1::int
  FOR UPDATE OF b SKIP LOCKED
),
taken AS (
  UPDATE rate_bucket b
  SET preflight_at = clock.ts + ${LEASE}, reading_until = clock.ts + ${LEASE}
  FROM due d
  CROSS JOIN clock
  WHERE b.project_id = d.project_id
  RETURNING b.project_id, b.credential_id, b.refill_per_second, b.troubles, b.reads_servers
),
shares AS MATERIALIZED (
  ${sharesOfCredentials('taken')}
),
next AS (
  SELECT extract(epoch FROM min(greatest(b.preflight_at, b.reading_until)) - clock.ts)::float8 * 1000 AS in_ms
  FROM clock
  LEFT JOIN rate_bucket b ON b.preflight_at IS NOT NULL AND b.project_id NOT IN (SELECT project_id FROM due)
  GROUP BY clock.ts
)
SELECT
  next.in_ms AS "nextInMs",
  t.project_id AS "projectId",
  least(t.refill_per_second, s.per_second) AS "perSecond",
  t.troubles AS "troubles",
  t.reads_servers AS "readsServers",
  EXISTS (SELECT FROM provision_request r WHERE r.project_id || '' = t.project_id AND r.held_rank IS NOT NULL) AS "holds"
FROM next
LEFT JOIN taken t ON true
LEFT JOIN shares s USING (credential_id)
`

/** $1 projects. */
const WANT = `
UPDATE rate_bucket b
SET preflight_at = least(b.preflight_at, clock_timestamp())
WHERE b.project_id IN (
  SELECT one.project_id FROM rate_bucket one WHERE one.project_id = ANY($1::text[]) ORDER BY one.project_id FOR UPDATE
)
`

/** Held orders that no reading is due for: what a process leaves behind that ends before it has asked. */
const WANT_FORGOTTEN = `
UPDATE rate_bucket b
SET preflight_at = clock_timestamp()
WHERE b.preflight_at IS NULL
  AND EXISTS (
    SELECT 1 FROM provision_request r WHERE r.project_id || '' = b.project_id AND r.held_rank IS NOT NULL
  )
RETURNING b.project_id AS "projectId"
`

/**
 * CloudDC has refused an order for want of servers that the last reading let pass: it is not believed any more, and the
 * counts no longer. $1 project.
 */
const DISBELIEVE = `
UPDATE rate_bucket b
SET ready_until = NULL, reads_servers = true
WHERE b.project_id = $1 AND b.ready_until IS NOT NULL AND b.ready_limit IS NOT NULL
`

export interface WantedReading {
  projectId: string
  /** Calls of the project's budget: of its own, or of its share of its credential's. */
  perSecond: number
  /** Consecutive troubles of its bucket. */
  troubles: number
  /** The counts were wrong once: the servers themselves are to be read. */
  readsServers: boolean
  /** Orders are held back. */
  holds: boolean
}

/** With the milliseconds until another reading is due, null where none is wanted. */
export async function takeReadings(
  { throughPrisma }: ThroughPrisma,
  limit: number,
): Promise<{ wanted: WantedReading[]; nextInMs: number | null }> {
  type Row = { nextInMs: number | null } & (WantedReading | { projectId: null })
  const rows = await throughPrisma.query<Row>(TAKE, limit)
  return {
    wanted: rows.flatMap((row) => (row.projectId === null ? [] : [row])),
    nextInMs: rows[0]?.nextInMs ?? null,
  }
}

/** Asks for a reading of each of these projects, now. */
export async function wantReadings(
  { throughPrisma }: ThroughPrisma,
  projectIds: readonly string[],
): Promise<void> {
  if (projectIds.length > 0) await throughPrisma.query(WANT, projectIds)
}

/** Returns how many projects were forgotten. */
export async function wantForgottenReadings({ throughPrisma }: ThroughPrisma): Promise<number> {
  return (await throughPrisma.query(WANT_FORGOTTEN)).length
}

export async function disbelieveReading({ throughPrisma }: ThroughPrisma, projectId: string): Promise<void> {
  await throughPrisma.query(DISBELIEVE, projectId)
}
