import type { ProjectLimit } from '../budget/call-limits.ts'
import type { ThroughPrisma } from '../database/database.ts'
import { toJson } from '../database/json.ts'
import { historyLine, insertSegment } from '../request/change.sql.ts'
import { PRIORITY_STEP_MINUTES } from '../request/provision-request.ts'
import type { NewRequest } from './new-request.ts'

/**
 * Stores a batch of new requests with the begin of their history, the segment of their accepted events, and a bucket for
 * each project that has none. Rows whose key is taken already, here or among the retired keys, are left out and returned with what is
 * stored, where this statement's snapshot can see it. The caller tells the buckets of the work (wake-projects), and of
 * requests that are held back (preflight/wanted-readings).
 *
 * The rows come sorted by key and the buckets in project order, so that batches of several replicas cannot deadlock.
 * The bonus of a priority in queue_rank is fixed, hence age wins in the end. The rank is counted from the time as
 * created_at holds it, so that a request that comes back finds its old place.
 *
 * The limit of a new bucket is the one that a person has set, if any, else the configured one.
 *
 * A bucket that is marked as idle loses the mark, with this transaction (retention/idle-buckets); others are not locked.
 *
 * A new bucket starts with one token: a project's first calls may come from processes that have only just started,
 * whose slow first calls would run into the quicker ones after them.
 *
 * $1 rows as JSON, $2 minutes that one step of priority is worth, $3 bucket limits and credentials by project as JSON.
 */
const TEXT = `
WITH input AS MATERIALIZED (
  SELECT *
  FROM json_to_recordset($1::json) AS i(
    "id" uuid, "projectId" text, "requestId" text, "contentDigest" text, "passwordDigest" text, "spec" json,
    "sealedPassword" text, "passwordTrace" text, "priority" int2, "minCount" int4, "maxCount" int4, "deadline" timestamptz,
    "waitsForReady" bool, "held" bool,
    "correlationId" text, "traceparent" text, "tracestate" text
  )
),
clock AS MATERIALIZED (
  SELECT clock_timestamp()::timestamptz(3) AS ts
),
inserted AS (
  INSERT INTO provision_request (
    id, project_id, request_id, content_digest, password_digest, spec, sealed_password, password_trace, state, priority,
    min_count, max_count, deadline, expires_at, queue_rank, held_rank, waits_for_ready, correlation_id, traceparent, tracestate,
    created_at, updated_at, history
  )
  SELECT
    i."id", i."projectId", i."requestId", decode(i."contentDigest", 'base64'), i."passwordDigest", i."spec"::text,
    decode(i."sealedPassword", 'base64'), i."passwordTrace", 'queued', i."priority", i."minCount", i."maxCount", i."deadline",
    i."deadline", CASE WHEN NOT i."held" THEN place.rank END, CASE WHEN i."held" THEN place.rank END,
    i."waitsForReady", i."correlationId", i."traceparent",
    i."tracestate", clock.ts, clock.ts, ${historyLine({ version: '1', at: 'clock.ts', change: `'{"to":"queued","cause":"accepted"}'` })}
  FROM input i
  CROSS JOIN clock
  CROSS JOIN LATERAL (SELECT clock.ts - make_interval(mins => i."priority" * $2::int) AS rank) place
  WHERE (
    -- A subquery in this place is one index probe per row, whatever the planner thinks of the table's size.
    SELECT k.request_id FROM retired_key k WHERE k.project_id = i."projectId" AND k.request_id = i."requestId"
  ) IS NULL
  ON CONFLICT (project_id, request_id) DO NOTHING
  RETURNING id, project_id
),
segment AS (
  ${insertSegment({ from: 'FROM inserted', id: 'inserted.id', version: '1' })}
),
touched AS (
  INSERT INTO rate_bucket (project_id, credential_id, refill_per_second, capacity, tokens, refilled_at, due_at)
  SELECT p.project_id, coalesce(l."credentialId", 'none'), coalesce(o.refill_per_second, l."refillPerSecond"),
    coalesce(o.capacity, l."capacity"), 1, clock.ts, clock.ts
  FROM (SELECT DISTINCT project_id FROM inserted) p
  JOIN json_to_recordset($3::json) AS l("projectId" text, "credentialId" text, "refillPerSecond" float8, "capacity" float8)
    ON l."projectId" = p.project_id
  CROSS JOIN clock
  LEFT JOIN limit_override o ON o.project_id = p.project_id AND (o.until IS NULL OR o.until > clock.ts)
  WHERE (
    SELECT b.project_id FROM rate_bucket b WHERE b.project_id = p.project_id AND b.retiring_at IS NULL
  ) IS NULL
  ORDER BY p.project_id
  ON CONFLICT (project_id) DO UPDATE SET retiring_at = NULL
)
SELECT
  i."id"::text AS "id",
  encode(coalesce(r.content_digest, k.content_digest), 'base64') AS "contentDigest",
  coalesce(r.password_digest, k.password_digest) AS "passwordDigest",
  encode(r.sealed_password, 'base64') AS "sealedPassword"
FROM input i
LEFT JOIN inserted ON inserted.id = i."id"
LEFT JOIN provision_request r ON inserted.id IS NULL AND r.project_id = i."projectId" AND r.request_id = i."requestId"
LEFT JOIN LATERAL (
  -- The limit makes this one index probe per row that was left out, too.
  SELECT k.content_digest, k.password_digest
  FROM retired_key k
  WHERE k.project_id = i."projectId" AND k.request_id = i."requestId"
  LIMIT 1
) k ON inserted.id IS NULL
WHERE inserted.id IS NULL
`

/** A new request as JSON holds it: its bytes as base64. */
export type InsertRequestRow = Omit<NewRequest, 'contentDigest' | 'sealedPassword'> & {
  contentDigest: string
  sealedPassword: string
}

/**
 * A row that was not stored. The content's digest (base64) is null when the other row is not visible yet, what belongs to
 * the password also where nothing is left of it.
 */
export interface TakenRow {
  id: string
  contentDigest: string | null
  passwordDigest: string | null
  /** Base64. */
  sealedPassword: string | null
}

export function insertRequests(
  { throughPrisma }: ThroughPrisma,
  rows: readonly InsertRequestRow[],
  buckets: readonly (ProjectLimit & { credentialId: string | null })[],
): Promise<TakenRow[]> {
  return throughPrisma.query(TEXT, toJson(rows), PRIORITY_STEP_MINUTES, toJson(buckets))
}
