import {
  AFTER_PROBE,
  credentialLevels,
  lockCredentials,
  WAITING_CREDENTIALS,
} from '../budget/credential.sql.ts'
import { dealOut } from '../budget/deal-out.sql.ts'
import { notPaused, PAUSES } from '../budget/pause.sql.ts'
import {
  CREATE_RESERVE_MS,
  creatingGrant,
  KEPT_BY_CREATING,
  levelOf,
  nextTurn,
  paymentOf,
  roomFrom,
  WORTHWHILE,
} from '../budget/pay.sql.ts'
import type { Sql } from '../database/database.ts'
import { awaitsReading, fits, gateOf, UNTIL_READ, wantsReading } from '../preflight/gate.sql.ts'
import { CHANGED_AT, withChange } from '../request/change.sql.ts'
import type { ClaimedRequest, ClaimResult } from './claimed-request.ts'

/** How a claim pays, from either bucket of its calls. */
const PAYMENT = {
  lateMs: '$7::float8',
  reserveMs: `${CREATE_RESERVE_MS}`,
  kept: KEPT_BY_CREATING,
}

/**
 * Takes tokens and claims requests in one step: only a request that has a token is claimed, and its row holds the
 * attempt before the caller may call CloudDC.
 *
 * due_buckets    the projects whose turn has come, longest due first; those another replica works on are skipped, and
 *                those whose credential's turn has not come (credential.sql.ts), or that are paused (pause.sql.ts)
 * credentials    those of them that hold calls back
 * refilled       their level on the database's clock, and what they may spend: nothing while blocked, one probe
 *                after trouble, one less while a readiness call waits for its share. A tight bucket gives its
 *                token a little before its time
 * levels         the same of the credentials, for all their projects together
 * afforded       what a credential affords, dealt out to its projects, the longest due first
 * grants         free slots dealt out to the projects (deal-out)
 * picked         the first requests of each project, by rank, and whether as many servers are ready as they need
 *                (preflight/gate)
 * held           one row that names them all: where the work of a silent replica is found
 * paid           the spent tokens, and when the project's turn comes next: with the next token, or at a high rate with
 *                the tokens of 50 ms, which one claim then takes together. A project that no slot, or no token of its
 *                credential, was left for keeps its place in the line. A tight bucket fills again when the reserve is over
 * paid_credentials  the same of the credentials. A call waits for the last of its tokens, where buckets are tight, and
 *                may be late by the least of its rooms
 *
 * A project whose queue ends here is put to sleep (due_at null) and returned: work that was stored meanwhile is for the
 * caller to look for, after the commit (wake-projects).
 *
 * `one_row_hint`, here and in other statements, is always true. The planner cannot know how many rows a CTE brings,
 * and once it guesses hundreds, it reads a whole table instead of probing its index; and the plan of a prepared
 * statement, made while the tables were small, lasts. Of an equality with a fenced subquery it expects a single row.
 *
 * $1 replica, $2 id of the claim, which names its payments as well, $3 most projects per claim (never more than slots), $4
 * milliseconds after which a probe without an outcome is followed by another, $5 share (0..1) of readiness, $6 free slots, $7
 * milliseconds that all calls of the process are late by, $8 whether there is preflight.
 */
const TEXT = `
WITH clock AS MATERIALIZED (
  SELECT clock_timestamp() AS ts
),
pauses AS MATERIALIZED (
  ${PAUSES}
),
waiting_credentials AS MATERIALIZED (
  ${WAITING_CREDENTIALS}
),
due_buckets AS MATERIALIZED (
  SELECT b.*
  FROM rate_bucket b, clock
  WHERE b.due_at <= clock.ts AND b.credential_id <> ALL (ARRAY(SELECT credential_id FROM waiting_credentials))
    AND ${notPaused('b')}
  ORDER BY b.due_at
  LIMIT least($3::int, $6::int)
  FOR UPDATE OF b SKIP LOCKED
),
credentials AS MATERIALIZED (
  ${lockCredentials('due_buckets')}
),
refilled AS MATERIALIZED (
  SELECT
    b.project_id,
    b.credential_id,
    b.due_at,
    level.*,
    ${WORTHWHILE} AS worthwhile,
    b.blocked_until,
    b.blocked_until IS NOT NULL AS probing,
    b.troubles,
    gate.*,
    CASE WHEN gate.shut THEN 0 ELSE ${creatingGrant('b')} END AS available
  FROM due_buckets b
  CROSS JOIN clock
  CROSS JOIN LATERAL ${levelOf('$5::float8')} level
  CROSS JOIN LATERAL ${gateOf('$8::bool')} gate
),
levels AS MATERIALIZED (
  ${credentialLevels('$5::float8')}
),
afforded AS MATERIALIZED (
  ${dealOut({
    from: `FROM (SELECT r.*, c.available AS affords FROM refilled r JOIN levels c USING (credential_id)) d`,
    slots: 'd.affords',
    pool: 'd.credential_id',
  })}
),
grants AS (
  ${dealOut({
    from: `FROM (
          SELECT r.project_id, r.due_at, CASE WHEN c.credential_id IS NULL THEN r.available ELSE a.n END AS available
          FROM refilled r
          LEFT JOIN levels c USING (credential_id)
          LEFT JOIN afforded a USING (project_id)
        ) d`,
    slots: '$6::int',
  })}
),
picked AS MATERIALIZED (
  SELECT q.id, q.max_count, g.project_id, ${fits({ q: 'q', left: 'd', project: 'g.project_id' })} AS fits
  FROM grants g
  JOIN refilled d USING (project_id)
  CROSS JOIN clock
  CROSS JOIN LATERAL (
    SELECT r.id, r.min_count, r.max_count, r.queue_rank
    FROM provision_request r
    -- The key of the queue's index, and of no other: no plan can go by another.
    WHERE r.project_id || '' = g.project_id
      AND r.queue_rank IS NOT NULL
      AND (r.expires_at IS NULL OR r.expires_at > clock.ts)
    ORDER BY r.queue_rank, r.id
    LIMIT g.n
    FOR UPDATE OF r SKIP LOCKED
  ) q
),
claimed AS (
  UPDATE provision_request r
  SET
    state = 'dispatching',
    previous_state = r.state,
    version = r.version + 1,
    queue_rank = NULL,
    expires_at = NULL,
    attempts = r.attempts + 1,
    attempt_number = r.attempt_number + 1,
    claim_id = $2::uuid,
    updated_at = ${CHANGED_AT},
    history = ${withChange(`'{"to":"dispatching","cause":"claimed","attempt":' || (r.attempt_number + 1) || '}'`)}
  FROM picked p
  JOIN LATERAL (SELECT p.id OFFSET 0) one_row_hint ON one_row_hint.id = p.id
  CROSS JOIN clock
  WHERE r.id = p.id AND p.fits
  RETURNING r.id, r.project_id, r.request_id, r.attempt_number, r.attempts, r.version, octet_length(r.history) AS history_bytes,
    r.spec, r.sealed_password, r.min_count, r.max_count, r.deadline, r.waits_for_ready
),
held AS (
  INSERT INTO claim (id, replica_id, claimed_at, request_ids)
  SELECT $2::uuid, $1::uuid, clock.ts, array_agg(c.id)
  FROM claimed c
  CROSS JOIN clock
  GROUP BY clock.ts
),
spent AS MATERIALIZED (
  SELECT r.*, taken.*, call.token_at AS call_at, payment.tokens AS tokens_left, payment.refilled_at AS paid_at,
    payment.room_ms
  FROM refilled r
  LEFT JOIN levels c USING (credential_id)
  LEFT JOIN grants g USING (project_id)
  LEFT JOIN (
    SELECT project_id, count(*) FILTER (WHERE fits)::int AS n, sum(max_count) FILTER (WHERE fits) AS asked,
      NOT bool_and(fits) AS short
    FROM picked
    GROUP BY project_id
  ) p USING (project_id)
  CROSS JOIN LATERAL (
    SELECT coalesce(g.n, 0) AS granted, coalesce(p.n, 0) AS n, coalesce(p.asked, 0) AS asked, coalesce(p.short, false) AS short
  ) taken
  CROSS JOIN LATERAL (
    SELECT greatest(CASE WHEN r.tight THEN r.token_at END, CASE WHEN c.tight THEN c.token_at END) AS token_at
  ) call
  CROSS JOIN LATERAL ${paymentOf({ r: 'r', n: 'taken.n', tokenAt: 'coalesce(call.token_at, r.token_at)', ...PAYMENT })} payment
  WHERE g.n > 0 OR r.available = 0
),
spent_credentials AS MATERIALIZED (
  SELECT c.*, taken.n, payment.tokens AS tokens_left, payment.refilled_at AS paid_at, payment.room_ms
  FROM levels c
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.n), 0)::int AS n FROM spent s WHERE s.credential_id = c.credential_id
  ) taken
  CROSS JOIN LATERAL (
    SELECT max(s.call_at) AS token_at FROM spent s WHERE s.credential_id = c.credential_id AND s.n > 0
  ) call
  CROSS JOIN LATERAL ${paymentOf({ r: 'c', n: 'taken.n', tokenAt: 'coalesce(call.token_at, c.token_at)', ...PAYMENT })} payment
),
paid AS (
  UPDATE rate_bucket b
  SET
    tokens = s.tokens_left,
    refilled_at = s.paid_at,
    payment = CASE WHEN s.n > 0 THEN $2::uuid ELSE b.payment END,
    poll_credit = s.poll_credit,
    ordered = b.ordered + s.asked,
    preflight_at = CASE WHEN ${wantsReading('s')} THEN least(b.preflight_at, clock.ts) ELSE b.preflight_at END,
    due_at = CASE
      WHEN ${awaitsReading('s')} THEN ${UNTIL_READ}
      WHEN s.n < s.granted THEN NULL
      WHEN s.closed THEN s.blocked_until
      WHEN s.probing AND s.n > 0 THEN clock.ts + make_interval(secs => $4::float8 / 1000)
      ELSE ${nextTurn('s')}
    END
  FROM spent s
  JOIN LATERAL (SELECT s.project_id OFFSET 0) one_row_hint USING (project_id)
  CROSS JOIN clock
  WHERE b.project_id = s.project_id
  RETURNING b.project_id, b.credential_id, b.due_at, ${wantsReading('s')} AS wants_reading
),
paid_credentials AS (
  UPDATE credential_bucket c
  SET
    tokens = s.tokens_left,
    refilled_at = s.paid_at,
    payment = CASE WHEN s.n > 0 THEN $2::uuid ELSE c.payment END,
    poll_credit = s.poll_credit,
    due_at = CASE
      WHEN s.closed THEN s.blocked_until
      WHEN s.probing THEN CASE WHEN s.n > 0 THEN ${AFTER_PROBE} ELSE s.due_at END
      WHEN s.tokens_left < s.worthwhile THEN ${nextTurn('s')}
    END
  FROM spent_credentials s
  JOIN LATERAL (SELECT s.credential_id OFFSET 0) one_row_hint USING (credential_id)
  CROSS JOIN clock
  WHERE c.credential_id = s.credential_id
  RETURNING c.credential_id, c.due_at
),
waiting_now AS MATERIALIZED (
  SELECT * FROM waiting_credentials
  UNION ALL
  SELECT p.credential_id, p.due_at FROM paid_credentials p, clock WHERE p.due_at > clock.ts
),
next AS (
  SELECT extract(epoch FROM least(
    (SELECT min(due_at) FROM waiting_now),
    (SELECT min(due_at) FROM paid WHERE credential_id <> ALL (ARRAY(SELECT credential_id FROM waiting_now))),
    (SELECT b.due_at FROM rate_bucket b
     WHERE b.due_at IS NOT NULL AND b.project_id NOT IN (SELECT project_id FROM paid)
       AND b.credential_id <> ALL (ARRAY(SELECT credential_id FROM waiting_now))
       AND ${notPaused('b')}
     ORDER BY b.due_at LIMIT 1)
  ) - clock.ts)::float8 * 1000 AS wait_ms,
    extract(epoch FROM least(
      (SELECT min(until) FROM pauses), (SELECT min(o.until) FROM limit_override o)
    ) - clock.ts)::float8 * 1000 AS changes_in_ms,
    ARRAY(SELECT p.project_id FROM paid p WHERE p.due_at IS NULL) AS asleep,
    (SELECT coalesce(bool_or(p.wants_reading), false) FROM paid p) AS wants_reading
  FROM clock
)
SELECT
  extract(epoch FROM clock.ts)::float8 * 1000 AS "clockMs",
  next.wait_ms AS "waitMs",
  next.changes_in_ms AS "changesInMs",
  next.asleep AS "asleep",
  next.wants_reading AS "wantsReading",
  c.id::text AS "id",
  c.project_id AS "projectId",
  c.request_id AS "requestId",
  c.attempt_number AS "attempt",
  c.attempts AS "attempts",
  c.version AS "version",
  c.history_bytes AS "historyBytes",
  c.spec AS "spec",
  c.sealed_password AS "sealedPassword",
  c.min_count AS "minCount",
  c.max_count AS "maxCount",
  c.waits_for_ready AS "waitsForReady",
  extract(epoch FROM c.deadline - clock.ts)::float8 * 1000 AS "deadlineInMs",
  least(${roomFrom('s', 's.call_at')}, ${roomFrom('k', 's.call_at')}) AS "roomMs",
  extract(epoch FROM s.call_at)::float8 * 1000 AS "tokenAt",
  s.troubles AS "troubles",
  s.probing AS "probing",
  s.credential_id AS "credentialId",
  k.probing AS "credentialProbing"
FROM next
CROSS JOIN clock
LEFT JOIN claimed c ON true
LEFT JOIN spent s ON s.project_id = c.project_id
LEFT JOIN spent_credentials k ON k.credential_id = s.credential_id
`

export type { ClaimedRequest, ClaimResult } from './claimed-request.ts'

export async function claimRequests(
  sql: Sql,
  params: {
    replicaId: string
    /** UUIDv7, made by the caller: where the answer is lost, it finds by it what was claimed. */
    claimId: string
    /** Most requests. */
    slots: number
    maxProjects: number
    probeMs: number
    /** 0..1 */
    readinessShare: number
    /** What all calls of the process are late by. */
    lateMs: number
    /** Whether requests go only by a reading of their project's ready servers. */
    preflight: boolean
  },
): Promise<ClaimResult> {
  type Row = Omit<ClaimResult, 'requests'> &
    ((Omit<ClaimedRequest, 'spec'> & { spec: string }) | { id: null })
  const { replicaId, claimId, slots, maxProjects, probeMs, readinessShare, lateMs, preflight } = params
  const rows = await sql.query<Row>(
    TEXT,
    replicaId,
    claimId,
    maxProjects,
    probeMs,
    readinessShare,
    slots,
    lateMs,
    preflight,
  )
  return {
    clockMs: rows[0]?.clockMs ?? Number.NaN,
    requests: rows.flatMap((row) =>
      row.id === null ? [] : [{ ...row, spec: JSON.parse(row.spec) as Record<string, unknown> }],
    ),
    waitMs: rows[0]?.waitMs ?? null,
    changesInMs: rows[0]?.changesInMs ?? null,
    asleep: rows[0]?.asleep ?? [],
    wantsReading: rows[0]?.wantsReading ?? false,
  }
}
