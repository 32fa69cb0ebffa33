import type { ThroughPrisma } from '../database/database.ts'

/** Milliseconds until the next reading of bucket `b` may begin, null where none is wanted. */
const NEXT_IN_MS = `
  CASE WHEN b.preflight_at IS NOT NULL
    THEN extract(epoch FROM greatest(b.preflight_at, b.reading_until) - clock_timestamp())::float8 * 1000
  END AS "nextInMs"
`

/**
 * Records a reading, and opens the gate by it. Of the servers that were ready, those are taken off that orders under way
 * at its begin may have got after it was made, and by `ordered` those of all claims since. What was wanted in between
 * stays wanted; else the next one is, or none ($6 null).
 *
 * $1 project, $2 its begin, $3 how far `ordered` may go, null for no limit, $4 milliseconds from its begin to its
 * renewal, $5 to its end, $6 to the next reading in any case, $7 to the next possible one, $8 whether the counts are
 * believed no more.
 */
const TEXT = `
UPDATE rate_bucket b
SET
  ready_limit = $3::bigint,
  renew_at = $2::timestamptz + make_interval(secs => $4::float8 / 1000),
  ready_until = $2::timestamptz + make_interval(secs => $5::float8 / 1000),
  preflight_at = CASE
    WHEN b.preflight_at < b.reading_until THEN b.preflight_at
    ELSE $2::timestamptz + make_interval(secs => $6::float8 / 1000)
  END,
  reading_until = $2::timestamptz + make_interval(secs => $7::float8 / 1000),
  reads_servers = $8::bool,
  -- Not while a probe is under way: the next one has its time.
  due_at = CASE WHEN b.due_at IS NOT NULL AND b.blocked_until IS NULL THEN least(b.due_at, clock_timestamp()) ELSE b.due_at END
WHERE b.project_id = $1
RETURNING ${NEXT_IN_MS}
`

/** $1 project, $2 milliseconds until the next reading, $3 until the next possible one. */
const POSTPONE = `
UPDATE rate_bucket b
SET
  preflight_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000),
  reading_until = clock_timestamp() + make_interval(secs => $3::float8 / 1000)
WHERE b.project_id = $1
RETURNING ${NEXT_IN_MS}
`

export interface RecordedReading {
  projectId: string
  begunAt: string
  readyLimit: number | null
  renewMs: number
  lifeMs: number
  /** Null: when it is asked for. */
  nextMs: number | null
  gapMs: number
  readsServers: boolean
}

interface NextReading {
  nextInMs: number | null
}

/** Returns the milliseconds until the project's next reading, null where none is wanted. */
export async function recordReading(
  { throughPrisma }: ThroughPrisma,
  reading: RecordedReading,
): Promise<number | null> {
  const { projectId, begunAt, readyLimit, renewMs, lifeMs, nextMs, gapMs, readsServers } = reading
  const [next] = await throughPrisma.query<NextReading>(
    TEXT,
    projectId,
    begunAt,
    readyLimit,
    renewMs,
    lifeMs,
    nextMs,
    gapMs,
    readsServers,
  )
  return next?.nextInMs ?? null
}

/** The reading was not made: it is to be tried again. What was read before stays in force to its end. Returns like recordReading. */
export async function postponeReading(
  { throughPrisma }: ThroughPrisma,
  { projectId, nextMs, gapMs }: { projectId: string; nextMs: number; gapMs: number },
): Promise<number | null> {
  const [next] = await throughPrisma.query<NextReading>(POSTPONE, projectId, nextMs, gapMs)
  return next?.nextInMs ?? null
}
