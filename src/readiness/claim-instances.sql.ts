import { pollOnGrid } from '../attempt/poll-grid.sql.ts'
import { bucketLevel, refilledAfterReading } from '../budget/bucket-level.sql.ts'
import type { Sql } from '../database/database.ts'

/**
 * Claims pending instances whose poll is due, and a token of their project's call budget for every 100 of them.
 *
 * Claiming moves an instance to its next poll; a replica that dies in between costs one interval. `polls` fences the
 * recording of the answer. Poll times fall on a grid of a fifth of the interval, so that instances created one by
 * one come due together. Spare slots of a call are filled with the next due of its project, at most one step of the
 * grid early; they come due together from then on, and the calls of a large project stay full. Instances whose
 * project has no token are put off until one may be there. Where more are due than one claim takes, only full calls
 * are claimed; the rest is due for the next claim.
 *
 * An instance that runs and only waits to be listed with its server is polled after the first interval, then each time
 * half as late again.
 *
 * Readiness spends the same tokens as creating: freely while no work is queued, else only its own share, which
 * gathers as poll_credit. A share without a token is announced (poll_wanted_until), and creating leaves one token.
 *
 * After a 429 or a refusal of us a project gets one call per claim, until an answer has shown that it is served again
 * (`probing`). A bucket that creating has closed, because CloudDC was unreachable, only waits: the listing
 * may still succeed.
 *
 * For `one_row_hint` see claim-requests.
 *
 * $1 most instances, $2 poll intervals in milliseconds by number of polls, $3 ids per call, $4 share (0..1) of the
 * budget, $5 milliseconds to put off by, $6 provisioning time limit in milliseconds: a poll falls on its end, $7
 * projects to leave out, $8 most calls of one project, $9 most calls, but for the last project's; what is left stays
 * due, $10 most milliseconds to wait for the listing of an instance that runs: a poll falls on their end.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
due AS MATERIALIZED (
  SELECT i.project_id, i.id, i.polls, i.next_poll_at
  FROM instance i, clock
  WHERE i.next_poll_at <= clock.ts AND i.project_id <> ALL($7::text[])
  ORDER BY i.next_poll_at
  LIMIT $1::int
  FOR UPDATE OF i SKIP LOCKED
),
wanted AS MATERIALIZED (
  SELECT ranked.project_id, ranked.due, ranked.calls
  FROM (
    SELECT by_project.*, sum(by_project.calls) OVER (ORDER BY by_project.since, by_project.project_id) AS calls_so_far
    FROM (
      SELECT project_id, count(*)::int AS due, min(next_poll_at) AS since,
        least($8::int, CASE
          WHEN (SELECT count(*) FROM due) = $1::int AND count(*) >= $3::int THEN count(*) / $3::int
          ELSE ceil(count(*) / $3::float8)
        END)::int AS calls
      FROM due
      GROUP BY project_id
    ) by_project
  ) ranked
  WHERE ranked.calls_so_far - ranked.calls < $9::int
),
early AS MATERIALIZED (
  SELECT next.*
  FROM wanted w
  CROSS JOIN clock
  CROSS JOIN LATERAL (
    SELECT i.project_id, i.id, i.polls
    FROM instance i
    WHERE i.project_id || '' = w.project_id
      AND i.next_poll_at > clock.ts
      AND i.next_poll_at <= clock.ts + make_interval(secs => ($2::float8[])[cardinality($2::float8[])] / 5000)
      AND i.next_poll_at <= clock.ts
        + make_interval(secs => ($2::float8[])[greatest(1, least(i.polls, cardinality($2::float8[])))] / 5000)
    ORDER BY i.next_poll_at
    LIMIT greatest(0, w.calls * $3::int - w.due)
    FOR UPDATE OF i SKIP LOCKED
  ) next
),
buckets AS MATERIALIZED (
  SELECT b.*
  FROM rate_bucket b
  JOIN wanted w USING (project_id)
  ORDER BY b.project_id
  FOR UPDATE OF b
),
refilled AS MATERIALIZED (
  SELECT b.project_id, level.*, greatest(b.refilled_at, clock.ts) AS refilled_at, w.calls, block.probing, b.troubles,
    CASE
      WHEN b.blocked_until > clock.ts THEN 0
      WHEN level.tokens < 1 THEN 0
      WHEN b.due_at IS NULL THEN least(w.calls, floor(level.tokens), CASE WHEN block.probing THEN 1 END)
      WHEN level.poll_credit >= 1 THEN 1
      ELSE 0
    END::int AS granted
  FROM buckets b
  JOIN wanted w USING (project_id)
  CROSS JOIN clock
  CROSS JOIN LATERAL ${bucketLevel('$4::float8')} level
  CROSS JOIN LATERAL (
    SELECT coalesce(b.blocked_reason <> 'upstream_unavailable', false) AS probing
  ) block
),
paid AS (
  UPDATE rate_bucket b
  SET
    tokens = r.tokens - r.granted,
    refilled_at = ${refilledAfterReading},
    poll_credit = greatest(0, r.poll_credit - r.granted),
    poll_wanted_until = CASE
      WHEN r.granted < r.calls THEN clock.ts + make_interval(secs => 5 * $5::float8 / 1000)
    END
  FROM refilled r
  CROSS JOIN clock
  WHERE b.project_id = r.project_id
),
placed AS MATERIALIZED (
  SELECT ranked.project_id, ranked.id, ranked.polls, ranked.early, r.probing, r.troubles, r.refill, ranked.place <= r.granted * $3::int AS granted
  FROM (
    SELECT found.*, row_number() OVER (PARTITION BY found.project_id ORDER BY found.early, found.polls DESC, found.id) AS place
    FROM (
      SELECT project_id, id, polls, false AS early FROM due
      UNION ALL
      SELECT project_id, id, polls, true FROM early
    ) found
  ) ranked
  JOIN refilled r USING (project_id)
  JOIN LATERAL (SELECT ranked.id OFFSET 0) one_row_hint USING (id)
  WHERE ranked.place <= CASE
    WHEN ranked.early THEN r.granted * $3::int
    WHEN r.granted < r.calls THEN $1::int
    ELSE r.calls * $3::int
  END
)
UPDATE instance i
SET
  polls = i.polls + p.granted::int,
  next_poll_at = CASE
    WHEN p.granted THEN least(
      CASE
        WHEN i.running_at IS NULL THEN ${pollOnGrid('pace.ms')}
        ELSE clock.ts + greatest(make_interval(secs => ($2::float8[])[1] / 1000), (clock.ts - i.running_at) / 2)
      END,
      greatest(
        clock.ts + make_interval(secs => $5::float8 / 1000),
        CASE
          WHEN i.running_at IS NULL THEN i.created_at + make_interval(secs => $6::float8 / 1000)
          ELSE i.running_at + make_interval(secs => $10::float8 / 1000)
        END
      )
    )
    ELSE clock.ts + make_interval(secs => $5::float8 / 1000)
  END
FROM placed p
CROSS JOIN clock
CROSS JOIN LATERAL (
  SELECT ($2::float8[])[least(p.polls + 1, cardinality($2::float8[]))] AS ms
) pace
WHERE i.project_id = p.project_id AND i.id = p.id
RETURNING
  i.project_id AS "projectId",
  i.id AS "id",
  i.provision_request_id::text AS "provisionRequestId",
  i.polls AS "polls",
  extract(epoch FROM clock.ts - i.running_at)::float8 * 1000 AS "ranMs",
  p.granted AS "granted",
  p.probing AS "probing",
  p.troubles AS "troubles",
  p.refill AS "refillPerSecond",
  (SELECT count(*) FROM due) = $1::int
    OR (SELECT count(*) FROM due) > (SELECT count(*) FROM placed WHERE NOT early) AS "more",
  extract(epoch FROM clock.ts - i.created_at)::float8 * 1000 AS "ageMs"
`

export interface ClaimedInstance {
  projectId: string
  id: string
  provisionRequestId: string
  /** Polls claimed so far, this one included. */
  polls: number
  /** Milliseconds since the instance was created. */
  ageMs: number
  /** Milliseconds since CloudDC first said that it runs; null when it has not. */
  ranMs: number | null
  /** The project had trouble and sends one call at a time; a good answer ends that. */
  probing: boolean
  /** Consecutive troubles of the project before this claim. */
  troubles: number
  /** Calls per second that flow into the project's bucket. */
  refillPerSecond: number
}

export interface InstanceClaimParams {
  limit: number
  intervalsMs: readonly number[]
  idsPerCall: number
  /** 0..1 */
  share: number
  postponeMs: number
  provisionTimeoutMs: number
  serverWaitMs: number
  /** Projects to leave out. */
  exceptProjects: readonly string[]
  /** Most calls of one project. */
  callsPerProject: number
  /** Most calls, but for those of the last project. */
  calls: number
}

/** Returns what may be polled now, and whether more is due. */
export async function claimInstances(
  sql: Sql,
  params: InstanceClaimParams,
): Promise<{ instances: ClaimedInstance[]; more: boolean }> {
  const rows = await sql.query<ClaimedInstance & { granted: boolean; more: boolean }>(
    TEXT,
    params.limit,
    params.intervalsMs,
    params.idsPerCall,
    params.share,
    params.postponeMs,
    params.provisionTimeoutMs,
    params.exceptProjects,
    params.callsPerProject,
    params.calls,
    params.serverWaitMs,
  )
  return { instances: rows.filter((row) => row.granted), more: rows[0]?.more ?? false }
}
